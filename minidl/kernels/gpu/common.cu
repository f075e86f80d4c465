// What the kernels have in common. REAL is float or double, as the compiler is told.

// The body is run for i = 0 ... count - 1, by all threads of the grid together, neighbours by neighbours.
#define FOR_EACH(i, count) \
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (count); \
         i += (long long)blockDim.x * gridDim.x)

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
