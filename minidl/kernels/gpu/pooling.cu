// Pooling, and the way back. Shapes as in pooling.py; a plane is one channel of one image.
//
// A thread has one number of the result, and looks where it comes from: the cells of a window, or the windows of a cell.
// Neighbouring threads have neighbouring windows, so a warp reads a few rows of an image, every stride-th number of them at
// a time. What windows have in common is read once for each of them, all but the first time from a cache.

#define ALL_LANES 0xffffffffu

// Is v, at `place` in its plane, the winner over `best` at `winner`? The larger one is; NaN beats every number; of equals
// the one that stands first. A place of -1 is that of no cell.
__device__ inline bool wins(REAL v, int place, REAL best, int winner)
{
    if (place < 0 || winner < 0) return place >= 0;
    bool equal = v == best || (v != v && best != best);
    return equal ? place < winner : v > best || v != v;
}

// max_pool: y and index (planes, OH, OW) from x (planes, H, W). A window with no cell inside x is -inf, at -1.
// H100: 24 registers, 100% occupancy; 17.0 bytes per number moved, 6.0 the least.
extern "C" __global__ void max_pool(const REAL* __restrict__ x, REAL* __restrict__ y, int* __restrict__ index,
                                    long long count, int H, int W, int KH, int KW, int OH, int OW,
                                    int SH, int SW, int PH, int PW, int DH, int DW)
{
    FOR_EACH(o, count) {
        int p = o % (OH * OW), top = p / OW * SH - PH, left = p % OW * SW - PW;
        const REAL* plane = x + o / (OH * OW) * H * W;
        REAL best = -INFINITE;
        int winner = -1;
        for (int iy = top; iy < min(top + KH * DH, H); iy += DH)
            for (int ix = left; ix < min(left + KW * DW, W); ix += DW)
                if (iy >= 0 && ix >= 0 && wins(plane[iy * W + ix], iy * W + ix, best, winner)) {
                    winner = iy * W + ix;
                    best = plane[winner];
                }
        y[o] = best;
        index[o] = winner;
    }
}

// max_pool_gradient: gx (planes, H W) = gy (planes, OH OW), each number added to gx where `index` says.
//
// Windows may have a winner in common, and which ones is known only from `index`. So that no two threads add to one number
// at a time, and sums come in the same order each time, a plane is one warp's, 32 windows at a time: the first of the lanes
// with a winner adds up what they all have for it. With atomic additions the order, and so the last bits, would be
// another one each time. gy and index are read once, side by side; a number of gx is written once as 0, and if it
// won, read and written once more for every 32 windows it has won. The comparing takes 2 shuffles for every window.
// H100: 29 registers, 100% occupancy; 13.5 bytes per number moved, 6.0 the least.
extern "C" __global__ void max_pool_gradient(const REAL* __restrict__ gy, const int* __restrict__ index, REAL* gx,
                                             long long planes, int cells, int windows)
{
    long long plane = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    if (plane >= planes) return;                         // all of a warp, or none
    gx += plane * cells;
    for (int i = lane; i < cells; i += 32) gx[i] = 0;
    __syncwarp();
    for (int begin = 0; begin < windows; begin += 32) {
        long long o = plane * windows + begin + lane;
        bool inside = begin + lane < windows;
        int winner = inside ? index[o] : -1;
        REAL g = inside ? gy[o] : 0, sum = 0;
        bool first = winner >= 0;
        for (int other = 0; other < 32; ++other) {
            REAL its_g = __shfl_sync(ALL_LANES, g, other);
            if (__shfl_sync(ALL_LANES, winner, other) == winner) {
                sum += its_g;
                first = first && other >= lane;
            }
        }
        if (first) gx[winner] += sum;
        __syncwarp();                                    // the next windows' lanes see what was added
    }
}

// The number that the sum of a window is divided by, along one axis: its cells, with those in the padding or without.
// What sticks out past the padding never counts.
__device__ inline int length(int o, int size, int kernel, int stride, int padding, int count_padding)
{
    int start = o * stride - padding, end = min(start + kernel, size + padding);
    return count_padding ? end - start : min(end, size) - max(start, 0);
}

// avg_pool: y (planes, OH, OW) from x (planes, H, W), divided by `divisor`, or where that is 0 by the window's cells.
// H100: 32 registers, 100% occupancy; 9.0 bytes per number moved, 5.0 the least.
extern "C" __global__ void avg_pool(const REAL* __restrict__ x, REAL* __restrict__ y, long long count, int H, int W,
                                    int KH, int KW, int OH, int OW, int SH, int SW, int PH, int PW,
                                    int count_padding, int divisor)
{
    FOR_EACH(o, count) {
        int p = o % (OH * OW), oy = p / OW, ox = p % OW, top = oy * SH - PH, left = ox * SW - PW;
        const REAL* plane = x + o / (OH * OW) * H * W;
        REAL sum = 0;
        for (int iy = max(top, 0); iy < min(top + KH, H); ++iy)
            for (int ix = max(left, 0); ix < min(left + KW, W); ++ix) sum += plane[iy * W + ix];
        int cells = length(oy, H, KH, SH, PH, count_padding) * length(ox, W, KW, SW, PW, count_padding);
        y[o] = sum / (REAL)(divisor ? divisor : cells);
    }
}

// avg_pool_gradient: gx (planes, H, W) from gy (planes, OH, OW): each window gives its cells equal shares.
// H100: 40 registers, 75% occupancy; 6.0 bytes per number moved, 5.0 the least.
extern "C" __global__ void avg_pool_gradient(const REAL* __restrict__ gy, REAL* __restrict__ gx, long long count,
                                             int H, int W, int KH, int KW, int OH, int OW, int SH, int SW, int PH, int PW,
                                             int count_padding, int divisor)
{
    FOR_EACH(i, count) {
        int ix = i % W, iy = i / W % H;
        const REAL* plane = gy + i / ((long long)H * W) * OH * OW;
        REAL sum = 0;
        for (int oy = first_window(iy, KH, SH, PH); oy <= last_window(iy, SH, PH, OH); ++oy)
            for (int ox = first_window(ix, KW, SW, PW); ox <= last_window(ix, SW, PW, OW); ++ox) {
                int cells = length(oy, H, KH, SH, PH, count_padding) * length(ox, W, KW, SW, PW, count_padding);
                sum += plane[oy * OW + ox] / (REAL)(divisor ? divisor : cells);
            }
        gx[i] = sum;
    }
}

// Adaptive pooling has `out` windows along an axis of `size` cells, window o from the first to before the last of these:
__device__ inline int start(int o, int size, int out) { return (long long)o * size / out; }
__device__ inline int end(int o, int size, int out) { return ((o + 1LL) * size + out - 1) / out; }

// For it, `lanes` threads beside each other, a power of two up to 32, have one window: they go through its cells, rows one
// after the other, and then come to one result by shuffles, as a tree. The window of the whole image, which is the
// most frequent one, is thus read by a warp, side by side. Each of a window's numbers is read once.

// adaptive_avg_pool: y (planes, OH, OW) from x (planes, H, W).
// H100: 34 registers, 75% occupancy; 4.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void adaptive_avg_pool(const REAL* __restrict__ x, REAL* __restrict__ y, long long count,
                                             int H, int W, int OH, int OW, int lanes)
{
    long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x, o = min(thread / lanes, count - 1);
    int lane = thread % lanes, p = o % (OH * OW), oy = p / OW, ox = p % OW;
    int top = start(oy, H, OH), left = start(ox, W, OW), rows = end(oy, H, OH) - top, columns = end(ox, W, OW) - left;
    const REAL* window = x + o / (OH * OW) * H * W + top * W + left;
    REAL sum = 0;
    for (int i = lane; i < rows * columns; i += lanes) sum += window[i / columns * W + i % columns];
    for (int other = lanes / 2; other > 0; other /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, other);
    if (lane == 0 && thread / lanes < count) y[o] = sum / (REAL)(rows * columns);
}

// adaptive_max_pool: y and index (planes, OH, OW) from x (planes, H, W).
// H100: 40 registers, 75% occupancy; 6.5 bytes per number moved, 4.0 the least.
extern "C" __global__ void adaptive_max_pool(const REAL* __restrict__ x, REAL* __restrict__ y, int* __restrict__ index,
                                             long long count, int H, int W, int OH, int OW, int lanes)
{
    long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x, o = min(thread / lanes, count - 1);
    int lane = thread % lanes, p = o % (OH * OW), oy = p / OW, ox = p % OW;
    int top = start(oy, H, OH), left = start(ox, W, OW), rows = end(oy, H, OH) - top, columns = end(ox, W, OW) - left;
    const REAL* plane = x + o / (OH * OW) * H * W;
    REAL best = 0;
    int winner = -1;
    for (int i = lane; i < rows * columns; i += lanes) {
        int place = (top + i / columns) * W + left + i % columns;
        if (wins(plane[place], place, best, winner)) {
            best = plane[place];
            winner = place;
        }
    }
    for (int other = lanes / 2; other > 0; other /= 2) {
        REAL v = __shfl_xor_sync(ALL_LANES, best, other);
        int place = __shfl_xor_sync(ALL_LANES, winner, other);
        if (wins(v, place, best, winner)) {
            best = v;
            winner = place;
        }
    }
    if (lane == 0 && thread / lanes < count) {
        y[o] = best;
        index[o] = winner;
    }
}

// adaptive_avg_pool_gradient: gx (planes, H, W) from gy (planes, OH, OW): each window gives its cells equal shares.
// H100: 42 registers, 62% occupancy; 5.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void adaptive_avg_pool_gradient(const REAL* __restrict__ gy, REAL* __restrict__ gx, long long count,
                                                      int H, int W, int OH, int OW)
{
    FOR_EACH(i, count) {
        int ix = i % W, iy = i / W % H;
        const REAL* plane = gy + i / ((long long)H * W) * OH * OW;
        REAL sum = 0;
        // the first window that ends behind the cell is the one of number floor(cell out / size)
        for (int oy = (long long)iy * OH / H; oy < OH && start(oy, H, OH) <= iy; ++oy)
            for (int ox = (long long)ix * OW / W; ox < OW && start(ox, W, OW) <= ix; ++ox) {
                int rows = end(oy, H, OH) - start(oy, H, OH), columns = end(ox, W, OW) - start(ox, W, OW);
                sum += plane[oy * OW + ox] / (REAL)(rows * columns);
            }
        gx[i] = sum;
    }
}
