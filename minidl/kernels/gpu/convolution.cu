// Patches of images, and convolution in which every filter reads one channel. Shapes as in convolution.py.
//
// Where threads go through the pixels of images, neighbours in a warp have neighbouring pixels of a row: with a stride of
// 1 they read and write neighbouring numbers; with a stride of 2, every second one. What is said to be read several times
// comes from memory once, and then from the caches, if a few rows of an image are not more than these hold.

#define ALL_LANES 0xffffffffu

// im2col: cols[image_step n + row_step r + p] = the pixel under tap r = (c, i, j) of window p = (oy, ox); `fill` outside
// of x (N, C, H, W). A thread has one window of one channel: it writes KH KW numbers, neighbours beside each other.
// A pixel is read once for every window it lies in.
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
            int below = iy + PH - oy * SH;               // the window's top
            if (below % DH) continue;
            for (int ox = x0; ox <= x1; ++ox) {
                int right = ix + PW - ox * SW;
                if (right % DW == 0) sum += col[row_step * (below / DH * KW + right / DW) + oy * OW + ox];
            }
        }
        x[i] = sum;
    }
}

// depthwise: y (N, C M, OH, OW) from x (N, C, H, W), w (C M, 1, KH, KW), b (C M,) or null: filter f reads channel f / M.
// A thread has one number of y. A pixel is read once for every window and filter it lies under; the threads of a warp
// have one filter, or a few.
extern "C" __global__ void depthwise(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ b,
                                     REAL* __restrict__ y, int N, int C, int M, int H, int W, int KH, int KW,
                                     int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW)
{
    FOR_EACH(i, (long long)N * C * M * OH * OW) {
        int p = i % (OH * OW), top = p / OW * SH - PH, left = p % OW * SW - PW;
        long long plane = i / (OH * OW);                                        // n C M + f
        int f = plane % (C * M);
        const REAL *image = x + plane / M * H * W, *tap = w + (long long)f * KH * KW;
        REAL sum = b ? b[f] : 0;
        for (int iy = top; iy < top + KH * DH; iy += DH)
            for (int ix = left; ix < left + KW * DW; ix += DW, ++tap)
                if (iy >= 0 && iy < H && ix >= 0 && ix < W) sum += *tap * image[iy * W + ix];
        y[i] = sum;
    }
}

// depthwise_gradient_x: gx (N, C, H, W) from gy (N, C M, OH, OW). A thread has one pixel, and looks where its windows are.
// A number of gy is read once for every tap.
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
#define SIDE 3
#define MOST_WARPS 8
extern "C" __global__ void depthwise_gradient_w(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                                REAL* __restrict__ gw, int N, int C, int M, int H, int W, int KH, int KW,
                                                int OH, int OW, int SH, int SW, int PH, int PW, int DH, int DW, int parts)
{
    __shared__ REAL of_warp[SIDE * SIDE][MOST_WARPS];
    int down = (KH + SIDE - 1) / SIDE, across = (KW + SIDE - 1) / SIDE;         // blocks for a filter
    int j0 = blockIdx.x % across * SIDE, i0 = blockIdx.x / across % down * SIDE;
    int f = blockIdx.x / (across * down) % (C * M), part = blockIdx.x / (across * down) / (C * M);

    REAL sum[SIDE][SIDE] = {};
    long long step = (long long)parts * blockDim.x;
    for (long long pixel = part * (long long)blockDim.x + threadIdx.x; pixel < (long long)N * OH * OW; pixel += step) {
        int n = pixel / (OH * OW), p = pixel % (OH * OW);
        int top = p / OW * SH - PH + i0 * DH, left = p % OW * SW - PW + j0 * DW;
        const REAL* image = x + ((long long)n * C + f / M) * H * W;
        REAL g = gy[((long long)n * C * M + f) * OH * OW + p];
        #pragma unroll
        for (int i = 0; i < SIDE; ++i)
            #pragma unroll
            for (int j = 0; j < SIDE; ++j) {
                int iy = top + i * DH, ix = left + j * DW;
                if (iy >= 0 && iy < H && ix >= 0 && ix < W) sum[i][j] += g * image[iy * W + ix];
            }
    }

    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    #pragma unroll
    for (int t = 0; t < SIDE * SIDE; ++t) {
        REAL s = sum[t / SIDE][t % SIDE];
        for (int other = 16; other > 0; other /= 2) s += __shfl_xor_sync(ALL_LANES, s, other);
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
