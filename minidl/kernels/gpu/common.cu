// What the kernels have in common. REAL is float or double, as the compiler is told.

#define INFINITE (1 / (REAL)0)               // the name for it stands in a header, and no header is included

// The body is run for i = 0 ... count - 1, by all threads of the grid together, neighbours by neighbours.
#define FOR_EACH(i, count) \
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (count); \
         i += (long long)blockDim.x * gridDim.x)

// Windows along an axis: window o begins at cell o stride - padding and reaches over `reach` cells. Those that a cell
// lies in are first_window ... last_window, where there are `count`; there may be none.
__device__ inline int first_window(int cell, int reach, int stride, int padding)
{
    int behind = cell + padding - reach;                 // a window that begins here, or before, does not reach the cell
    return behind < 0 ? 0 : behind / stride + 1;
}

__device__ inline int last_window(int cell, int stride, int padding, int count)
{
    return min((cell + padding) / stride, count - 1);
}

// The larger one; NaN wins, as it does in NumPy.
__device__ inline REAL larger(REAL a, REAL b)
{
    return a > b || a != a ? a : b;
}

// The smaller one; NaN wins.
__device__ inline REAL smaller(REAL a, REAL b)
{
    return a < b || a != a ? a : b;
}

// The sum, and the largest, of the numbers v of a warp's 32 threads: each thread gets it, and all must ask. In five
// steps each adds what a thread 16, 8, 4, 2 and 1 away has. Pairs are added up, then pairs of pairs, so an error grows
// with the logarithm of how many there are; and in one order, so that the same numbers give the same bits.
template <class T> __device__ T warp_sum(T v)
{
    for (int away = 16; away > 0; away /= 2) v += __shfl_xor_sync(0xffffffffu, v, away);
    return v;
}

__device__ inline REAL warp_max(REAL v)
{
    for (int away = 16; away > 0; away /= 2) v = larger(v, __shfl_xor_sync(0xffffffffu, v, away));
    return v;
}

// In a block of one dimension, of whole warps: what the warps' first threads brought, thread i of each warp getting that
// of warp i; `none` where there is no warp i. The first barrier waits until all have read what an earlier call left, the
// second until all have left theirs.
__device__ REAL of_warps(REAL v, REAL none)
{
    __shared__ REAL brought[32];
    int lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) brought[threadIdx.x / 32] = v;
    __syncthreads();
    return lane < blockDim.x / 32 ? brought[lane] : none;
}

// The sum, and the largest, of the numbers v of such a block's threads: each thread gets it, and all must ask.
__device__ inline REAL block_sum(REAL v)
{
    return warp_sum(of_warps(warp_sum(v), 0));
}

__device__ inline REAL block_max(REAL v)
{
    return warp_max(of_warps(warp_max(v), -INFINITE));
}

// Who shares a row of numbers: the threads of a block, each taking the numbers first, first + step, ... of the row, so
// that neighbours read neighbours; or nobody, where each thread has a row, and the rows lie side by side.
struct Block
{
    int first = threadIdx.x, step = blockDim.x;
    __device__ REAL sum(REAL v) const { return block_sum(v); }
    __device__ REAL largest(REAL v) const { return block_max(v); }
};

struct Alone
{
    int first = 0, step = 1;
    __device__ REAL sum(REAL v) const { return v; }
    __device__ REAL largest(REAL v) const { return v; }
};

// The largest of x[0], x[apart], ..., K numbers; -inf if there are none.
template <class Team> __device__ REAL largest(Team team, const REAL* x, int K, int apart)
{
    REAL m = -INFINITE;
    for (int k = team.first; k < K; k += team.step) m = larger(m, x[(long long)k * apart]);
    return team.largest(m);
}

// The sum of e^(x[k] - m) over the same numbers.
template <class Team> __device__ REAL sum_of_powers(Team team, const REAL* x, REAL m, int K, int apart)
{
    REAL sum = 0;
    for (int k = team.first; k < K; k += team.step) sum += exp(x[(long long)k * apart] - m);
    return team.sum(sum);
}
