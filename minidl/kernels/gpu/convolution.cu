// Patches of images, and convolutions that do without them: of filters that read one channel, and of few or small ones.
//
// Where threads go through the pixels of images, neighbours in a warp have neighbouring pixels of a row: with a stride of
// 1 they read and write neighbouring numbers; with a stride of 2, every second one. What is said to be read several times
// comes from memory once, and then from the caches, if a few rows of an image are not more than these hold.

// im2col: cols[image_step n + row_step r + p] = the pixel under tap r = (c, i, j) of window p = (oy, ox); `fill` outside
// of x (N, C, H, W). A thread has one window of one channel: it writes KH KW numbers, neighbours beside each other.
// A pixel is read once for every window it lies in.
// H100: 26 registers, 100% occupancy; 8.6 bytes per number moved, 4.4 the least.
extern "C" __global__ void im2col(const REAL* __restrict__ x, REAL* __restrict__ cols, int N, int C, int H, int W,
                                  int KH, int KW, int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW,
                                  long long image_step, long long row_step, REAL fill)
{
    FOR_EACH(i, (long long)C * N * OH * OW) {
        int p = i % (OH * OW), n = i / (OH * OW) % N, c = i / (OH * OW) / N;
        int top = p / OW * SH - PH, left = p % OW * SW - PW;
        const REAL* image = x + ((long long)n * C + c) * H * W;
        REAL* col = cols + image_step * n + row_step * c * KH * KW + p;
        for (int iy = top; iy < top + KH * DH; iy += DH)
            for (int ix = left; ix < left + KW * DW; ix += DW, col += row_step)
                *col = iy >= 0 && iy < H && ix >= 0 && ix < W ? image[iy * W + ix] : fill;
    }
}

// col2im: x (N, C, H, W) = the sum of all that im2col would make of a pixel. A thread has one pixel, and looks where its
// windows are, so that no two threads add to one number. Each number of cols is read once.
// H100: 45 registers, 62% occupancy; 5.4 bytes per number moved, 4.3 the least.
extern "C" __global__ void col2im(const REAL* __restrict__ cols, REAL* __restrict__ x, int N, int C, int H, int W,
                                  int KH, int KW, int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW,
                                  long long image_step, long long row_step)
{
    FOR_EACH(i, (long long)N * C * H * W) {
        int ix = i % W, iy = i / W % H, c = i / ((long long)H * W) % C, n = i / ((long long)H * W) / C;
        int y0 = first_window(iy, (KH - 1) * DH + 1, SH, PH), y1 = last_window(iy, SH, PH, OH);
        int x0 = first_window(ix, (KW - 1) * DW + 1, SW, PW), x1 = last_window(ix, SW, PW, OW);
        const REAL* col = cols + image_step * n + row_step * c * KH * KW;
        REAL sum = 0;
        for (int oy = y0; oy <= y1; ++oy) {
            int below = iy + PH - oy * SH;               // cells from the window's top to this one
            if (below % DH) continue;
            for (int ox = x0; ox <= x1; ++ox) {
                int right = ix + PW - ox * SW;
                if (right % DW == 0) sum += col[row_step * (below / DH * KW + right / DW) + oy * OW + ox];
            }
        }
        x[i] = sum;
    }
}

// Where filters read one channel, a window is gone through by parts of SIDE x SIDE taps, for 3 x 3 all at once, so that a
// thread waits for many numbers together and not for one after the other. v = what is under a part whose first tap is at
// (top, left), and of which `rows` and `columns` are left; 0 outside of the image.
#define SIDE 3
__device__ inline void fetch(REAL (&v)[SIDE][SIDE], const REAL* image, int H, int W, int top, int left, int rows, int columns,
                             int DH, int DW)
{
    #pragma unroll
    for (int i = 0; i < SIDE; ++i)
        #pragma unroll
        for (int j = 0; j < SIDE; ++j) {
            int iy = top + i * DH, ix = left + j * DW;
            v[i][j] = i < rows && j < columns && iy >= 0 && iy < H && ix >= 0 && ix < W ? image[iy * W + ix] : 0;
        }
}

// depthwise: y (N, C M, OH, OW) from x (N, C, H, W), w (C M, 1, KH, KW), b (C M,) or null: filter f reads channel f / M.
// A thread has one number of y. A pixel is read once for every window and filter it lies under; the threads of a warp
// have one filter, or a few.
// H100: 55 registers, 50% occupancy; 54.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void depthwise(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ b,
                                     REAL* __restrict__ y, int N, int C, int M, int H, int W, int KH, int KW,
                                     int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW)
{
    FOR_EACH(o, (long long)N * C * M * OH * OW) {
        int p = o % (OH * OW), top = p / OW * SH - PH, left = p % OW * SW - PW;
        long long plane = o / (OH * OW);                                        // n C M + f
        int f = plane % (C * M);
        const REAL *image = x + plane / M * H * W, *filter = w + (long long)f * KH * KW;
        REAL sum = b ? b[f] : 0, v[SIDE][SIDE];
        for (int i0 = 0; i0 < KH; i0 += SIDE)
            for (int j0 = 0; j0 < KW; j0 += SIDE) {
                fetch(v, image, H, W, top + i0 * DH, left + j0 * DW, KH - i0, KW - j0, DH, DW);
                #pragma unroll
                for (int i = 0; i < SIDE; ++i)
                    #pragma unroll
                    for (int j = 0; j < SIDE; ++j)
                        if (i0 + i < KH && j0 + j < KW) sum += filter[(i0 + i) * KW + j0 + j] * v[i][j];
            }
        y[o] = sum;
    }
}

// depthwise_gradient_x: gx (N, C, H, W) from gy (N, C M, OH, OW), with any stride. A thread has one pixel, and looks where
// its windows are. A number of gy is read once for every tap.
// H100: 54 registers, 50% occupancy; 14.2 bytes per number moved, 5.0 the least.
extern "C" __global__ void depthwise_gradient_x(const REAL* __restrict__ gy, const REAL* __restrict__ w,
                                                REAL* __restrict__ gx, int N, int C, int M, int H, int W, int KH, int KW,
                                                int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW)
{
    FOR_EACH(i, (long long)N * C * H * W) {
        int ix = i % W, iy = i / W % H;
        long long plane = i / ((long long)H * W);                               // n C + c
        int y0 = first_window(iy, (KH - 1) * DH + 1, SH, PH), y1 = last_window(iy, SH, PH, OH);
        int x0 = first_window(ix, (KW - 1) * DW + 1, SW, PW), x1 = last_window(ix, SW, PW, OW);
        REAL sum = 0;
        for (int m = 0; m < M; ++m) {
            const REAL *filter = w + (plane % C * M + m) * KH * KW, *from = gy + (plane * M + m) * OH * OW;
            for (int oy = y0; oy <= y1; ++oy) {
                int below = iy + PH - oy * SH;
                if (below % DH) continue;
                for (int ox = x0; ox <= x1; ++ox) {
                    int right = ix + PW - ox * SW;
                    if (right % DW == 0) sum += filter[below / DH * KW + right / DW] * from[oy * OW + ox];
                }
            }
        }
        gx[i] = sum;
    }
}

// depthwise_gradient_w: gw (parts, C M, KH, KW), to be added up over the parts, each from every parts-th of the blocks
// that the N OH OW pixels of gy make. A block has up to SIDE x SIDE taps of one filter: for 3 x 3, gy is read once, and
// x 9 times. A thread sums in REAL over its pixels, then the warp's threads as a tree, then the warps.
#define MOST_WARPS 8
// H100: 64 registers, 50% occupancy; 50.6 bytes per number moved, 8.0 the least.
extern "C" __global__ void depthwise_gradient_w(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                                REAL* __restrict__ gw, int N, int C, int M, int H, int W, int KH, int KW,
                                                int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW, int parts)
{
    __shared__ REAL of_warp[SIDE * SIDE][MOST_WARPS];
    int down = (KH + SIDE - 1) / SIDE, across = (KW + SIDE - 1) / SIDE;         // blocks for a filter
    int j0 = blockIdx.x % across * SIDE, i0 = blockIdx.x / across % down * SIDE;
    int f = blockIdx.x / (across * down) % (C * M), part = blockIdx.x / (across * down) / (C * M);

    REAL sum[SIDE][SIDE] = {}, v[SIDE][SIDE];
    long long step = (long long)parts * blockDim.x;
    for (long long pixel = part * (long long)blockDim.x + threadIdx.x; pixel < (long long)N * OH * OW; pixel += step) {
        int n = pixel / (OH * OW), p = pixel % (OH * OW);
        int top = p / OW * SH - PH + i0 * DH, left = p % OW * SW - PW + j0 * DW;
        REAL g = gy[((long long)n * C * M + f) * OH * OW + p];
        fetch(v, x + ((long long)n * C + f / M) * H * W, H, W, top, left, KH - i0, KW - j0, DH, DW);
        #pragma unroll
        for (int i = 0; i < SIDE; ++i)
            #pragma unroll
            for (int j = 0; j < SIDE; ++j) sum[i][j] += g * v[i][j];
    }

    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    #pragma unroll
    for (int t = 0; t < SIDE * SIDE; ++t) {
        REAL s = warp_sum(sum[t / SIDE][t % SIDE]);
        if (lane == 0) of_warp[t][warp] = s;
    }
    __syncthreads();
    int i = i0 + threadIdx.x / SIDE, j = j0 + threadIdx.x % SIDE;
    if (threadIdx.x < SIDE * SIDE && i < KH && j < KW) {
        REAL total = 0;
        for (int v = 0; v < blockDim.x / 32; ++v) total += of_warp[threadIdx.x][v];
        gw[(((long long)part * C * M + f) * KH + i) * KW + j] = total;
    }
}

// Products without columns, where filters are few or small. A block has a tile of FILTERS x OTHERS numbers, and a thread of it 8 x 4. What a
// step multiplies is fetched into registers, many numbers at a time, and put into shared memory, where all threads read it.
// A thread's sums are in REAL, one product after the other.
#define FILTERS 32
#define OTHERS 64
#define TILE_THREADS (FILTERS / 8 * OTHERS / 4)
#define DEPTH 8

// sum += the products of 8 numbers beside each other and 4 that are `step` apart.
__device__ inline void multiply(REAL (&sum)[8][4], const REAL* a, const REAL* b, int step)
{
    #pragma unroll
    for (int i = 0; i < 8; ++i)
        #pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += a[i] * b[j * step];
}

// A window of an image, and its next tap (c, i, j).
struct Window {
    const REAL* image;
    int C, H, W, KH, KW, DH, DW, top, left, c, i, j;

    // What is under the tap, 0 outside of the image and after its last channel; then on to the next one.
    __device__ inline REAL next()
    {
        int iy = top + i * DH, ix = left + j * DW;
        REAL v = c < C && iy >= 0 && iy < H && ix >= 0 && ix < W ? image[((long long)c * H + iy) * W + ix] : 0;
        if (++j == KW) { j = 0; ++i; }
        if (i == KH) { i = 0; ++c; }
        return v;
    }
};

// direct: y (N, G F, OH, OW) from x (N, G C, H, W), w (G F, C, KH, KW), b (G F,) or null. A tile is of filters and pixels,
// DEPTH taps are a step. Each thread fetches what one pixel's window sees of x, neighbours side by side: a number comes once
// from memory, and KH KW times for every 32 filters from a cache. w is fetched once for every 64 pixels, runs of DEPTH
// numbers, and y is written once, 16 neighbours together.
// H100: 96 registers, 31% occupancy; 59.6 bytes per number moved, 8.1 the least.
extern "C" __global__ void direct(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ b,
                                  REAL* __restrict__ y, int N, int C, int F, int G, int H, int W, int KH, int KW,
                                  int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW)
{
    alignas(16) __shared__ REAL taps[DEPTH][FILTERS + 4];                       // 4 more: rows begin in other banks
    __shared__ REAL pixels[DEPTH][OTHERS];
    int g = blockIdx.y % G, f0 = blockIdx.y / G * FILTERS, K = C * KH * KW, P = OH * OW;
    int mine = threadIdx.x / (OTHERS / 4) * 8, other = threadIdx.x % (OTHERS / 4);
    long long count = (long long)N * P, q0 = (long long)blockIdx.x * OTHERS, q = q0 + threadIdx.x;

    int p = q % P, first = q < count ? 0 : C;                                   // past the last pixel a window sees only 0
    Window window = {x + (q / P * G + g) * C * H * W, C, H, W, KH, KW, DH, DW, p / OW * SH - PH, p % OW * SW - PW, first};
    int d0 = threadIdx.x % DEPTH, filter0 = threadIdx.x / DEPTH;                // the first number of w to be fetched
    REAL sum[8][4] = {}, pixel[DEPTH], tap[DEPTH * FILTERS / TILE_THREADS];
    for (int k = 0; k < K; k += DEPTH) {
        #pragma unroll
        for (int d = 0; d < DEPTH; ++d) pixel[d] = window.next();
        #pragma unroll
        for (int i = 0; i < DEPTH * FILTERS / TILE_THREADS; ++i) {
            int f = f0 + filter0 + TILE_THREADS / DEPTH * i;
            tap[i] = f < F && k + d0 < K ? w[((long long)g * F + f) * K + k + d0] : 0;
        }
        __syncthreads();                                                        // all have multiplied the last step's
        #pragma unroll
        for (int d = 0; d < DEPTH; ++d) pixels[d][threadIdx.x] = pixel[d];
        #pragma unroll
        for (int i = 0; i < DEPTH * FILTERS / TILE_THREADS; ++i) taps[d0][filter0 + TILE_THREADS / DEPTH * i] = tap[i];
        __syncthreads();
        #pragma unroll
        for (int d = 0; d < DEPTH; ++d) multiply(sum, &taps[d][mine], &pixels[d][other], OTHERS / 4);
    }

    for (int j = 0; j < 4; ++j) {
        long long o = q0 + other + j * (OTHERS / 4);
        REAL* to = y + (o / P * G + g) * F * P + o % P;
        for (int i = 0; i < 8; ++i) {
            int f = f0 + mine + i;
            if (o < count && f < F) to[(long long)f * P] = sum[i][j] + (b ? b[g * F + f] : 0);
        }
    }
}

// direct_gradient_w: gw (parts, G F, C KH KW), to be added up over the parts. A tile is of filters and taps; 32 pixels are a
// step, and every parts-th step is a block's. A lane fetches one pixel of gy and what its window sees of x, neighbours side
// by side. gy is fetched once for every 64 taps; x once for every 64 taps and 32 filters from memory, and KH KW times
// from a cache.
// H100: 72 registers, 44% occupancy; 60.0 bytes per number moved, 9.1 the least.
extern "C" __global__ void direct_gradient_w(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                             REAL* __restrict__ gw, int N, int C, int F, int G, int H, int W, int KH, int KW,
                                             int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW, int parts)
{
    alignas(16) __shared__ REAL gys[32][FILTERS + 4];
    __shared__ REAL cols[OTHERS][32 + 1];
    int g = blockIdx.y % G, f0 = blockIdx.y / G * FILTERS, k0 = blockIdx.x * OTHERS, K = C * KH * KW, P = OH * OW;
    int mine = threadIdx.x / (OTHERS / 4) * 8, other = threadIdx.x % (OTHERS / 4);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = TILE_THREADS / 32;
    int t0 = warp * (OTHERS / warps), t1 = t0 + OTHERS / warps;                 // the taps of the tile that a warp fetches
    int c0 = (k0 + t0) / (KH * KW), i0 = (k0 + t0) / KW % KH, j0 = (k0 + t0) % KW;

    REAL sum[8][4] = {}, some[DEPTH];
    for (long long step = blockIdx.z; step * 32 < (long long)N * P; step += parts) {
        long long q = step * 32 + lane, n = q / P;
        int p = q % P, channels = q < (long long)N * P ? C : 0;                 // past the last pixel a window sees only 0
        Window window = {x + (n * G + g) * C * H * W, channels, H, W, KH, KW, DH, DW, p / OW * SH - PH, p % OW * SW - PW,
                         c0, i0, j0};
        __syncthreads();                                                        // all have multiplied the last step's
        #pragma unroll 4
        for (int f = warp; f < FILTERS; f += warps)
            gys[lane][f] = channels > 0 && f0 + f < F ? gy[((n * G + g) * F + f0 + f) * P + p] : 0;
        for (int t = t0; t < t1; t += DEPTH) {
            #pragma unroll
            for (int d = 0; d < DEPTH; ++d) some[d] = window.next();
            #pragma unroll
            for (int d = 0; d < DEPTH; ++d) cols[t + d][lane] = some[d];
        }
        __syncthreads();
        #pragma unroll 8
        for (int d = 0; d < 32; ++d) multiply(sum, &gys[d][mine], &cols[other][d], OTHERS / 4 * (32 + 1));
    }

    for (int i = 0; i < 8; ++i)
        for (int j = 0; j < 4; ++j) {
            int f = f0 + mine + i, k = k0 + other + j * (OTHERS / 4);
            if (f < F && k < K) gw[(((long long)blockIdx.z * G + g) * F + f) * K + k] = sum[i][j];
        }
}
