// relu_gradient: gx = gy where y > 0, else 0.
// H100: 32 registers, 100% occupancy; 12.0 bytes per number moved, 10.0 the least.
extern "C" __global__ void relu_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                         REAL* __restrict__ gx, long long count)
{
    FOR_EACH(i, count) gx[i] = y[i] > 0 ? gy[i] : (REAL)0;
}

// ---- softmax and its like, of a row x[0], x[apart], ..., K numbers, by a team of threads. Sums are taken in REAL: each
// thread adds up its share of the row, a block's threads their sums in pairs.

template <class Team> __device__ void softmax(Team team, const REAL* x, REAL* y, int K, int apart)
{
    REAL m = largest(team, x, K, apart), sum = sum_of_powers(team, x, m, K, apart);
    for (int k = team.first; k < K; k += team.step) y[(long long)k * apart] = exp(x[(long long)k * apart] - m) / sum;
}

template <class Team> __device__ void log_softmax(Team team, const REAL* x, REAL* y, int K, int apart)
{
    REAL m = largest(team, x, K, apart), log_sum = log(sum_of_powers(team, x, m, K, apart));
    for (int k = team.first; k < K; k += team.step) y[(long long)k * apart] = x[(long long)k * apart] - m - log_sum;
}

template <class Team> __device__ void softmax_gradient(Team team, const REAL* gy, const REAL* y, REAL* gx,
                                                       int K, int apart)
{
    REAL sum = 0;
    for (int k = team.first; k < K; k += team.step) sum += gy[(long long)k * apart] * y[(long long)k * apart];
    sum = team.sum(sum);
    for (int k = team.first; k < K; k += team.step) {
        long long at = (long long)k * apart;
        gx[at] = y[at] * (gy[at] - sum);
    }
}

template <class Team> __device__ void log_softmax_gradient(Team team, const REAL* gy, const REAL* y, REAL* gx,
                                                           int K, int apart)
{
    REAL sum = 0;
    for (int k = team.first; k < K; k += team.step) sum += gy[(long long)k * apart];
    sum = team.sum(sum);
    for (int k = team.first; k < K; k += team.step) {
        long long at = (long long)k * apart;
        gx[at] = gy[at] - exp(y[at]) * sum;
    }
}

// ---- rows along the last axis, of (rows, K): a block to a row, of one warp if it is short; neighbours read neighbours.
// A row comes from memory once, and from the caches when it is gone through again: in float 8 bytes a number, read and
// written, and 12 for a gradient, the least. At most 32 registers: an SM is full (2048 threads), of one-warp blocks half.

// H100: 25 registers, 100% occupancy; 16.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void softmax_rows(const REAL* __restrict__ x, REAL* __restrict__ y, int K)
{
    long long row = (long long)blockIdx.x * K;
    softmax(Block(), x + row, y + row, K, 1);
}

// H100: 26 registers, 100% occupancy; 16.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void log_softmax_rows(const REAL* __restrict__ x, REAL* __restrict__ y, int K)
{
    long long row = (long long)blockIdx.x * K;
    log_softmax(Block(), x + row, y + row, K, 1);
}

// H100: 28 registers, 100% occupancy; 20.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void softmax_gradient_rows(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                                 REAL* __restrict__ gx, int K)
{
    long long row = (long long)blockIdx.x * K;
    softmax_gradient(Block(), gy + row, y + row, gx + row, K, 1);
}

// H100: 30 registers, 100% occupancy; 16.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void log_softmax_gradient_rows(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                                     REAL* __restrict__ gx, int K)
{
    long long row = (long long)blockIdx.x * K;
    log_softmax_gradient(Block(), gy + row, y + row, gx + row, K, 1);
}

// ---- rows along another axis, of (outer, K, inner): a thread to each of the outer * inner rows. Neighbours' rows lie
// side by side, so neighbours read neighbours. Where K is small, a row stays in the caches as above; else it is read
// from memory each time it is gone through: three times, and twice for a gradient.

__device__ long long start_of_row(long long i, int K, int inner)
{
    return i / inner * K * inner + i % inner;
}

// H100: 32 registers, 100% occupancy; 16.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void softmax_columns(const REAL* __restrict__ x, REAL* __restrict__ y,
                                           int K, int inner, long long count)
{
    FOR_EACH(i, count) {
        long long row = start_of_row(i, K, inner);
        softmax(Alone(), x + row, y + row, K, inner);
    }
}

// H100: 32 registers, 100% occupancy; 16.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void log_softmax_columns(const REAL* __restrict__ x, REAL* __restrict__ y,
                                               int K, int inner, long long count)
{
    FOR_EACH(i, count) {
        long long row = start_of_row(i, K, inner);
        log_softmax(Alone(), x + row, y + row, K, inner);
    }
}

// H100: 32 registers, 100% occupancy; 20.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void softmax_gradient_columns(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                                    REAL* __restrict__ gx, int K, int inner, long long count)
{
    FOR_EACH(i, count) {
        long long row = start_of_row(i, K, inner);
        softmax_gradient(Alone(), gy + row, y + row, gx + row, K, inner);
    }
}

// H100: 32 registers, 100% occupancy; 16.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void log_softmax_gradient_columns(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                                        REAL* __restrict__ gx, int K, int inner, long long count)
{
    FOR_EACH(i, count) {
        long long row = start_of_row(i, K, inner);
        log_softmax_gradient(Alone(), gy + row, y + row, gx + row, K, inner);
    }
}
