// The target t of class c: what its log-probability is multiplied with; 0 where the label is to be ignored. weight may be
// null. No array is read at a label, so one that is no class does no harm: it is a class that is not there.
__device__ REAL target(int c, long long label, const REAL* weight, long long ignore_index, REAL at_label, REAL everywhere)
{
    if (label == ignore_index) return 0;
    REAL t = (c == label ? at_label : (REAL)0) + everywhere;
    return weight ? t * weight[c] : t;
}

// The loss of one label, and logp[0], logp[apart], ... of its scores x[0], x[apart], ..., C of them. 0 log 0 is 0.
template <class Team> __device__ REAL cross_entropy(Team team, const REAL* x, long long label, const REAL* weight,
                                                    REAL* logp, int C, int apart, long long ignore_index, REAL at_label,
                                                    REAL everywhere)
{
    REAL m = largest(team, x, C, apart), log_sum = log(sum_of_powers(team, x, m, C, apart));
    REAL loss = 0;
    for (int c = team.first; c < C; c += team.step) {
        REAL p = x[(long long)c * apart] - m - log_sum;
        REAL t = target(c, label, weight, ignore_index, at_label, everywhere);
        if (t != 0) loss -= t * p;
        logp[(long long)c * apart] = p;
    }
    return team.sum(loss);
}

template <class Team> __device__ void cross_entropy_gradient(Team team, REAL g, const REAL* logp, long long label,
                                                             const REAL* weight, REAL* gx, int C, int apart,
                                                             long long ignore_index, REAL at_label, REAL everywhere)
{
    REAL sum = 0;
    for (int c = team.first; c < C; c += team.step) sum += target(c, label, weight, ignore_index, at_label, everywhere);
    sum = team.sum(sum);
    for (int c = team.first; c < C; c += team.step) {
        REAL t = target(c, label, weight, ignore_index, at_label, everywhere);
        gx[(long long)c * apart] = g * (exp(logp[(long long)c * apart]) * sum - t);
    }
}

// ---- x (N, C): a block to each row, of one warp if it is short; neighbours read neighbours. A row comes from memory
// once, and from the caches when it is gone through again: in float 8 bytes a number, read and written, the least, for the
// gradient, too. At most 32 registers: an SM is full (2048 threads), of one-warp blocks half.

// H100: 32 registers, 100% occupancy; 16.2 bytes per number moved, 8.0 the least.
extern "C" __global__ void cross_entropy_rows(const REAL* __restrict__ x, const long long* __restrict__ labels,
                                              const REAL* __restrict__ weight, REAL* __restrict__ loss,
                                              REAL* __restrict__ logp, int C, long long ignore_index, REAL at_label,
                                              REAL everywhere)
{
    long long n = blockIdx.x;
    REAL l = cross_entropy(Block(), x + n * C, labels[n], weight, logp + n * C, C, 1, ignore_index, at_label, everywhere);
    if (threadIdx.x == 0) loss[n] = l;
}

// H100: 32 registers, 100% occupancy; 8.3 bytes per number moved, 8.0 the least.
extern "C" __global__ void cross_entropy_gradient_rows(const REAL* __restrict__ g, const REAL* __restrict__ logp,
                                                       const long long* __restrict__ labels,
                                                       const REAL* __restrict__ weight, REAL* __restrict__ gx, int C,
                                                       long long ignore_index, REAL at_label, REAL everywhere)
{
    long long n = blockIdx.x;
    cross_entropy_gradient(Block(), g[n], logp + n * C, labels[n], weight, gx + n * C, C, 1, ignore_index, at_label,
                           everywhere);
}

// ---- x (N, C, D): a thread to each of the N * D labels; neighbours read neighbours. In float 8 bytes a number as above;
// 16 where a block's 256 C numbers are too many for the caches, as x is gone through three times. The gradient 8 always.

// H100: 32 registers, 100% occupancy; 16.6 bytes per number moved, 8.6 the least.
extern "C" __global__ void cross_entropy_columns(const REAL* __restrict__ x, const long long* __restrict__ labels,
                                                 const REAL* __restrict__ weight, REAL* __restrict__ loss,
                                                 REAL* __restrict__ logp, int C, int D, long long count,
                                                 long long ignore_index, REAL at_label, REAL everywhere)
{
    FOR_EACH(i, count) {
        long long at = i / D * C * D + i % D;
        loss[i] = cross_entropy(Alone(), x + at, labels[i], weight, logp + at, C, D, ignore_index, at_label, everywhere);
    }
}

// H100: 32 registers, 100% occupancy; 8.6 bytes per number moved, 8.6 the least.
extern "C" __global__ void cross_entropy_gradient_columns(const REAL* __restrict__ g, const REAL* __restrict__ logp,
                                                          const long long* __restrict__ labels,
                                                          const REAL* __restrict__ weight, REAL* __restrict__ gx, int C,
                                                          int D, long long count, long long ignore_index, REAL at_label,
                                                          REAL everywhere)
{
    FOR_EACH(i, count) {
        long long at = i / D * C * D + i % D;
        cross_entropy_gradient(Alone(), g[i], logp + at, labels[i], weight, gx + at, C, D, ignore_index, at_label,
                               everywhere);
    }
}
