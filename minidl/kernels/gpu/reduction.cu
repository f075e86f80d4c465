// Sums over many numbers, for which a sum has more than one block: first each block's share, then these. Every sum is
// made in one order, so the same numbers give the same bits.

// y (parts, B): part p is the sum of its share of the numbers of x (A, B, D) that belong to b: A D numbers, from
// p A D / parts on. A block has a sum. Neighbouring threads read neighbouring numbers, as far as D goes.
// H100: 32 registers, 100% occupancy; 4.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void sum_channels(const REAL* __restrict__ x, REAL* __restrict__ y, int B, int D, long long numbers)
{
    const int b = blockIdx.x, part = blockIdx.y;
    const long long first = part * numbers / gridDim.y, end = (part + 1) * numbers / gridDim.y;
    REAL sum = 0;
    for (long long i = first + threadIdx.x; i < end; i += blockDim.x) {
        const unsigned a = (unsigned)i / (unsigned)D;
        sum += x[(long long)a * (B - 1) * D + (long long)b * D + i];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) y[(long long)part * B + b] = sum;
}

// y (parts, B): part p is the sum of rows p A / parts and on of x (A, B). A block of 32 x 8 threads has 32 columns: in each
// eight threads go through every eighth row, and the first of them adds up. Neighbouring threads have neighbouring columns.
// H100: 32 registers, 100% occupancy; 4.1 bytes per number moved, 4.1 the least.
extern "C" __global__ void sum_columns(const REAL* __restrict__ x, REAL* __restrict__ y, long long A, int B)
{
    __shared__ REAL sums[8][32];
    const int b = blockIdx.x * 32 + threadIdx.x, part = blockIdx.y;
    const long long first = part * A / gridDim.y, end = (part + 1) * A / gridDim.y;
    REAL sum = 0;
    if (b < B)
        for (long long a = first + threadIdx.y; a < end; a += 8) sum += x[a * B + b];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || b >= B) return;
    for (int j = 1; j < 8; ++j) sum += sums[j][threadIdx.x];
    y[(long long)part * B + b] = sum;
}

// y_i = x_1 ... x_i along the middle of x (outer, N, inner): gx_i = (x_1 ... x_(i-1)) r_i, r_i = gy_i + x_(i+1) r_(i+1). A
// thread has a line, which it goes through forwards and backwards; neighbouring threads have neighbouring ones, as far as
// inner goes.
// H100: 32 registers, 100% occupancy; 24.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void cumprod_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ x, REAL* __restrict__ gx,
                                            long long N, long long inner, long long lines)
{
    FOR_EACH(i, lines) {
        const long long start = i / inner * N * inner + i % inner;
        REAL before = 1;
        for (long long n = 0; n < N; ++n) {
            const long long place = start + n * inner;
            gx[place] = before;
            before *= x[place];
        }
        REAL r = 0, after = 0;                           // the x and r behind
        for (long long n = N - 1; n >= 0; --n) {
            const long long place = start + n * inner;
            r = gy[place] + after * r;
            after = x[place];
            gx[place] *= r;
        }
    }
}
