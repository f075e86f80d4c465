// What the kernels have in common. REAL is float or double, as the compiler is told.

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
