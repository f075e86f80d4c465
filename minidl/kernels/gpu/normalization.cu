// Statistics are taken in two passes: the mean, then the squares around it; E x^2 - (E x)^2 would lose all digits where
// the mean is large. Both sum up x - (one of the numbers), which is exact for numbers close to each other: so the sums
// are of numbers as small as the deviations are, a thread's in REAL, then a block's in pairs, and blocks' in double.
//
// All of it is bound by memory; bytes are given for a number of x in float. There, kernels that go through x take at most
// 32 registers, so that an SM is full (2048 threads); of one-warp blocks it has room for half of that.

// Number i of a row of runs of `size` numbers, as a thread goes through it, a block's width at a time: the i % size-th of
// run i / size. By additions: to divide for each number would take longer than to read it.
struct Place
{
    int i, size, run, in_run, more_runs, more_in_run;

    __device__ Place(int first, int size)
        : i(first), size(size), run(first / size), in_run(first % size),
          more_runs(blockDim.x / size), more_in_run(blockDim.x % size) {}

    __device__ void next()
    {
        i += blockDim.x;
        run += more_runs;
        in_run += more_in_run;
        if (in_run >= size) { in_run -= size; ++run; }
    }
};

// ---- batch norm of x (N, C, P). A channel is N runs of P numbers, `count` in all. It is cut into parts, and a block has
// one part of one channel: so there are blocks enough where channels are few. Neighbours read neighbours, but where P = 1:
// there a thread reads one number of a row, and the blocks of the next channels, which run by its side, find theirs in the
// L2 cache.

const int THREADS = 256, EACH = 16;                  // of a block; numbers that each of them has
const int PART = THREADS * EACH;
const int ROWS = 256;                                // of a part of x (N, C), where a block has 32 channels

struct Part                                          // which part a block has, and a thread's way through its numbers
{
    int channel, part, begin, end;
    long long image, first;
    Place place;

    __device__ Part(int C, int P, int count)
        : channel(blockIdx.x % C), part(blockIdx.x / C), begin(part * PART), end(min(PART, count - begin) + begin),
          image((long long)C * P), first((long long)channel * P), place(begin + threadIdx.x, P) {}

    __device__ bool inside() const { return place.i < end; }
    __device__ int n() const { return place.run; }
    __device__ long long at() const { return place.run * image + first + place.in_run; }
    __device__ void next() { place.next(); }
};

// For each part (C, parts): one of its numbers, their mean - that one, and the sum of squares around their mean.
// x is read, 4 bytes: a thread has its numbers in registers, and asks for all of them before it uses one.
// H100: 32 registers, 100% occupancy; 4.1 bytes per number moved, 4.0 the least.
extern "C" __global__ void part_statistics(const REAL* __restrict__ x, REAL* __restrict__ one, REAL* __restrict__ mean,
                                           REAL* __restrict__ squares, int C, int P, int count, int parts)
{
    Part i(C, P, count);
    int numbers = i.end - i.begin, to = i.channel * parts + i.part;
    REAL some = x[i.begin / P * i.image + i.first + i.begin % P];

    REAL mine[EACH];
    #pragma unroll
    for (int j = 0; j < EACH; ++j, i.next()) mine[j] = i.inside() ? x[i.at()] : some;

    REAL sum = 0;
    #pragma unroll
    for (int j = 0; j < EACH; ++j) sum += mine[j] - some;
    REAL m = block_sum(sum) / numbers;

    sum = 0;
    #pragma unroll
    for (int j = 0; j < EACH; ++j) {
        REAL deviation = mine[j] - some - m;
        if (j * THREADS + (int)threadIdx.x < numbers) sum += deviation * deviation;
    }
    sum = block_sum(sum);

    if (threadIdx.x == 0) {
        one[to] = some;
        mean[to] = m;
        squares[to] = sum;
    }
}

// Of the parts' statistics the channels', mean, var and inv_std (C,): a warp to a channel. The squares around the mean of
// all are the parts' around their own means, and those of the means: Chan, Golub & LeVeque 1979.
// H100: 32 registers, 50% occupancy; 256.0 bytes per number moved, 24.0 the least.
extern "C" __global__ void merge_statistics(const REAL* __restrict__ one, const REAL* __restrict__ part_mean,
                                            const REAL* __restrict__ part_squares, REAL* __restrict__ mean,
                                            REAL* __restrict__ var, REAL* __restrict__ inv_std,
                                            int count, int parts, REAL eps)
{
    int c = blockIdx.x;

    double sum = 0;
    for (int i = threadIdx.x; i < parts; i += 32) {
        int part = c * parts + i, numbers = min(PART, count - i * PART);
        sum += numbers * ((double)one[part] + part_mean[part]);
    }
    double m = warp_sum(sum) / max(1, count);

    double squares = 0;
    for (int i = threadIdx.x; i < parts; i += 32) {
        int part = c * parts + i, numbers = min(PART, count - i * PART);
        double apart = (double)one[part] + part_mean[part] - m;
        squares += part_squares[part] + numbers * apart * apart;
    }
    REAL v = warp_sum(squares) / max(1, count);

    if (threadIdx.x == 0) {
        mean[c] = m;
        var[c] = v;
        inv_std[c] = 1 / sqrt(v + eps);
    }
}

// y = (x - mean) inv_std w + b, where w and b may be null. x is read, y is written: 8 bytes, with the statistics 12, which
// is the least where x does not fit into the caches.
// H100: 24 registers, 100% occupancy; 8.2 bytes per number moved, 8.0 the least.
extern "C" __global__ void batch_norm(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ b,
                                      const REAL* __restrict__ mean, const REAL* __restrict__ inv_std,
                                      REAL* __restrict__ y, int C, int P, int count)
{
    Part i(C, P, count);
    int c = i.channel;
    REAL m = mean[c], scale = w ? inv_std[c] * w[c] : inv_std[c], bias = b ? b[c] : (REAL)0;
    for (; i.inside(); i.next()) y[i.at()] = (x[i.at()] - m) * scale + bias;
}

// For each part (C, parts) the sums of gy x_hat and of gy, where x_hat = (x - mean) inv_std. Each image has `rows`
// statistics (batch norm: 0, for all images have the same), one for each `channels` channels. gy and x are read: 8 bytes.
// H100: 32 registers, 100% occupancy; 14.0 bytes per number moved, 8.0 the least.
extern "C" __global__ void part_sums(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                     const REAL* __restrict__ mean, const REAL* __restrict__ inv_std,
                                     REAL* __restrict__ gw, REAL* __restrict__ gb,
                                     int rows, int channels, int C, int P, int count, int parts)
{
    Part i(C, P, count);
    REAL along_x = 0, along_1 = 0;
    for (; i.inside(); i.next()) {
        int row = i.n() * rows + i.channel / channels;
        along_x += gy[i.at()] * (x[i.at()] - mean[row]) * inv_std[row];
        along_1 += gy[i.at()];
    }
    along_x = block_sum(along_x);
    along_1 = block_sum(along_1);

    if (threadIdx.x == 0) {
        gw[i.channel * parts + i.part] = along_x;
        gb[i.channel * parts + i.part] = along_1;
    }
}

// The same for x (N, C), where the numbers of a channel do not lie side by side: a block has 32 channels and a part of
// the N rows, 8 of them at a time. Neighbours read neighbours. gy and x are read: 8 bytes.
// H100: 32 registers, 100% occupancy; 14.0 bytes per number moved, 8.1 the least.
extern "C" __global__ void part_sums_of_columns(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                                const REAL* __restrict__ mean, const REAL* __restrict__ inv_std,
                                                REAL* __restrict__ gw, REAL* __restrict__ gb,
                                                int rows, int channels, int C, int N, int parts)
{
    __shared__ REAL of_row[2][8][32];
    int part = blockIdx.x % parts, c = blockIdx.x / parts * 32 + threadIdx.x;
    int begin = part * ROWS, end = min(ROWS, N - begin) + begin;

    REAL along_x = 0, along_1 = 0;
    for (int n = begin + threadIdx.y; n < end && c < C; n += 8) {
        long long at = (long long)n * C + c;
        int row = n * rows + c / channels;
        along_x += gy[at] * (x[at] - mean[row]) * inv_std[row];
        along_1 += gy[at];
    }
    of_row[0][threadIdx.y][threadIdx.x] = along_x;
    of_row[1][threadIdx.y][threadIdx.x] = along_1;
    __syncthreads();

    if (threadIdx.y == 0 && c < C) {
        for (int i = 1; i < 8; ++i) {
            along_x += of_row[0][i][threadIdx.x];
            along_1 += of_row[1][i][threadIdx.x];
        }
        gw[c * parts + part] = along_x;
        gb[c * parts + part] = along_1;
    }
}

// gw and gb (C,), the sums of the parts': a warp to a channel.
// H100: 32 registers, 50% occupancy; 128.0 bytes per number moved, 16.0 the least.
extern "C" __global__ void merge_sums(const REAL* __restrict__ part_gw, const REAL* __restrict__ part_gb,
                                      REAL* __restrict__ gw, REAL* __restrict__ gb, int parts)
{
    int c = blockIdx.x;
    double along_x = 0, along_1 = 0;
    for (int i = threadIdx.x; i < parts; i += 32) {
        along_x += part_gw[c * parts + i];
        along_1 += part_gb[c * parts + i];
    }
    along_x = warp_sum(along_x);
    along_1 = warp_sum(along_1);
    if (threadIdx.x == 0) {
        gw[c] = along_x;
        gb[c] = along_1;
    }
}

// gx = w inv_std (gy - gb / count - x_hat gw / count). gy and x are read, gx is written: 12 bytes, with the sums 20, which
// is the least where gy and x do not fit into the caches.
// H100: 30 registers, 100% occupancy; 12.3 bytes per number moved, 12.0 the least.
extern "C" __global__ void batch_norm_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                               const REAL* __restrict__ w, const REAL* __restrict__ mean,
                                               const REAL* __restrict__ inv_std, const REAL* __restrict__ gw,
                                               const REAL* __restrict__ gb, REAL* __restrict__ gx,
                                               int C, int P, int count)
{
    Part i(C, P, count);
    int c = i.channel;
    REAL m = mean[c], s = inv_std[c], scale = w ? w[c] * s : s, along_1 = gb[c] / count, along_x = gw[c] / count;
    for (; i.inside(); i.next()) gx[i.at()] = scale * (gy[i.at()] - along_1 - (x[i.at()] - m) * s * along_x);
}

// ---- group norm of x (N, C, P): the numbers of a group, `channels` channels of an image, lie in a row of `length`. A
// block to a row, of one warp if it is short; neighbours read neighbours. A row comes from memory once, and from the
// caches when it is gone through again, unless it is longer than they are.

// x is read, y is written, 8 bytes, the least; w and b may be null.
// H100: 28 registers, 100% occupancy; 18.1 bytes per number moved, 8.0 the least.
extern "C" __global__ void group_norm(const REAL* __restrict__ x, const REAL* __restrict__ w, const REAL* __restrict__ b,
                                      REAL* __restrict__ y, REAL* __restrict__ mean, REAL* __restrict__ inv_std,
                                      int groups, int channels, int P, int length, REAL eps)
{
    long long row = blockIdx.x;
    x += row * length;
    y += row * length;
    REAL some = length ? x[0] : (REAL)0;

    REAL sum = 0;
    for (int i = threadIdx.x; i < length; i += blockDim.x) sum += x[i] - some;
    REAL shift = block_sum(sum) / max(1, length);

    sum = 0;
    for (int i = threadIdx.x; i < length; i += blockDim.x) {
        REAL deviation = x[i] - some - shift;
        sum += deviation * deviation;
    }
    REAL m = some + shift, s = 1 / sqrt(block_sum(sum) / max(1, length) + eps);

    int c = row % groups * channels;
    for (Place at(threadIdx.x, P); at.i < length; at.next())
        y[at.i] = (x[at.i] - m) * s * (w ? w[c + at.run] : (REAL)1) + (b ? b[c + at.run] : (REAL)0);
    if (threadIdx.x == 0) {
        mean[row] = m;
        inv_std[row] = s;
    }
}

// gx = inv_std (g - (mean of g) - x_hat (mean of g x_hat)) for g = w gy. gy and x are read, gx is written: 12 bytes; with
// gw and gb, for which part_sums reads both again, 20.
// H100: 31 registers, 100% occupancy; 25.2 bytes per number moved, 12.0 the least.
extern "C" __global__ void group_norm_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                               const REAL* __restrict__ w, const REAL* __restrict__ mean,
                                               const REAL* __restrict__ inv_std, REAL* __restrict__ gx,
                                               int groups, int channels, int P, int length)
{
    long long row = blockIdx.x;
    gy += row * length;
    x += row * length;
    gx += row * length;
    int c = row % groups * channels;
    REAL m = mean[row], s = inv_std[row];

    REAL along_1 = 0, along_x = 0;
    for (Place at(threadIdx.x, P); at.i < length; at.next()) {
        REAL g = w ? w[c + at.run] * gy[at.i] : gy[at.i];
        along_1 += g;
        along_x += g * (x[at.i] - m) * s;
    }
    along_1 = block_sum(along_1) / max(1, length);
    along_x = block_sum(along_x) / max(1, length);

    for (Place at(threadIdx.x, P); at.i < length; at.next()) {
        REAL g = w ? w[c + at.run] * gy[at.i] : gy[at.i];
        gx[at.i] = s * (g - along_1 - (x[at.i] - m) * s * along_x);
    }
}

// ---- local response normalization of x (N, C, P): a thread to each of the N P = `count` pixels goes through its
// channels; neighbours read neighbours. What a window shares with the one before is in the L1 cache.

// x is read; y and scale are written: 12 bytes, the least.
// H100: 32 registers, 100% occupancy; 34.5 bytes per number moved, 12.0 the least.
extern "C" __global__ void local_response_norm(const REAL* __restrict__ x, REAL* __restrict__ y, REAL* __restrict__ scale,
                                               int C, int P, long long count, int before, int after, REAL alpha,
                                               REAL beta, REAL k)
{
    FOR_EACH(i, count) {
        long long pixel = i / P * C * P + i % P;
        for (int c = 0; c < C; ++c) {
            REAL sum = 0;
            for (int j = max(0, c - before); j <= min(C - 1, c + after); ++j) {
                REAL v = x[pixel + (long long)j * P];
                sum += v * v;
            }
            long long at = pixel + (long long)c * P;
            scale[at] = k + alpha * sum;
            y[at] = x[at] * pow(scale[at], -beta);
        }
    }
}

// gx = gy scale^-beta - factor x (sum over the window of share), share being gy x scale^-beta / scale. A thread has the
// shares of a window ahead, and finishes a channel when its window is complete: so it finds them, and gx, in the caches.
// gy, x, scale are read; share and gx are written: 20 bytes a number, the least 16, without share.
// H100: 32 registers, 100% occupancy; 54.5 bytes per number moved, 20.0 the least.
extern "C" __global__ void local_response_norm_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ x,
                                                        const REAL* __restrict__ scale, REAL* share, REAL* gx,
                                                        int C, int P, long long count, int before, int after,
                                                        REAL factor, REAL beta)
{
    FOR_EACH(i, count) {
        long long pixel = i / P * C * P + i % P;
        for (int c = 0; c < C + after; ++c) {
            if (c < C) {
                long long at = pixel + (long long)c * P;
                REAL g = gy[at] * pow(scale[at], -beta);
                gx[at] = g;
                share[at] = g * x[at] / scale[at];
            }
            int ready = c - after;
            if (ready >= 0) {
                REAL sum = 0;
                for (int j = max(0, ready - before); j <= min(C - 1, c); ++j) sum += share[pixel + (long long)j * P];
                long long at = pixel + (long long)ready * P;
                gx[at] -= factor * x[at] * sum;
            }
        }
    }
}
