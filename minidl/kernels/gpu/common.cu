// What the kernels have in common. REAL is float or double, as the compiler is told.

// The body is run for i = 0 ... count - 1, by all threads of the grid together, neighbours by neighbours.
#define FOR_EACH(i, count) \
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (count); \
         i += (long long)blockDim.x * gridDim.x)
