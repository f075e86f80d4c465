// Gradients of reading by index. Each number of a gradient is written by one thread, which adds up what it receives in the
// order in which it was read: there are no atomic additions, so the same numbers give the same bits.

// order (K,): the places of `index` (K,) sorted by what stands there, equals in their order; sorted (K,): what stands there.
// A thread finds its number's place by counting those before it. All threads of a warp read the same number at a time.
// H100: 32 registers, 100% occupancy; 5744.2 bytes per number moved, 24.0 the least.
extern "C" __global__ void sort_index(const long long* __restrict__ index, long long* __restrict__ sorted,
                                      long long* __restrict__ order, long long K)
{
    FOR_EACH(k, K) {
        const long long own = index[k];
        long long before = 0;
        for (long long j = 0; j < K; ++j) before += index[j] < own || (index[j] == own && j < k);
        sorted[before] = own;
        order[before] = k;
    }
}

// gx (outer, rows, inner), zeros, receives gy (outer, K, inner), whose row k was read from row index[k]. The first of equal
// ones in `sorted` adds up for all of them, which end before end[s]. Neighbouring threads read and write neighbouring numbers
// of a row.
// H100: 42 registers, 62% occupancy; 3.2 bytes per number moved, 2.0 the least.
extern "C" __global__ void add_rows(const REAL* __restrict__ gy, const long long* __restrict__ sorted,
                                    const long long* __restrict__ order, const long long* __restrict__ end,
                                    REAL* __restrict__ gx, long long K, long long rows, long long inner, long long count)
{
    FOR_EACH(i, count) {
        const long long c = i % inner, s = i / inner % K, o = i / inner / K, row = sorted[s];
        if (s > 0 && sorted[s - 1] == row) continue;
        REAL sum = 0;
        for (long long t = s; t < end[s]; ++t) sum += gy[(o * K + order[t]) * inner + c];
        gx[(o * rows + row) * inner + c] = sum;
    }
}

// gx (rows, inner) = the rows of gy where `mask` (rows,) holds, one after the other, and 0 elsewhere; number[r] is how many
// rows up to r hold. Neighbouring threads read and write neighbouring numbers of a row.
// H100: 28 registers, 100% occupancy; 7.5 bytes per number moved, 6.1 the least.
extern "C" __global__ void put_rows(const REAL* __restrict__ gy, const bool* __restrict__ mask,
                                    const long long* __restrict__ number, REAL* __restrict__ gx, long long inner,
                                    long long count)
{
    FOR_EACH(i, count) {
        const long long row = i / inner;
        gx[i] = mask[row] ? gy[(number[row] - 1) * inner + i % inner] : (REAL)0;
    }
}

// gx (outer, N, inner): each number adds up those of gy (outer, K, inner) that were taken from it, by index (outer, K,
// inner), where -1 is the last. Neighbouring threads read neighbouring numbers, or, where inner is 1, the same one.
// H100: 32 registers, 100% occupancy; 5.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void scatter_add(const REAL* __restrict__ gy, const long long* __restrict__ index,
                                       REAL* __restrict__ gx, long long N, long long K, long long inner, long long count)
{
    FOR_EACH(i, count) {
        const long long c = i % inner, n = i / inner % N, start = i / inner / N * K * inner + c;
        REAL sum = 0;
        for (long long k = 0; k < K; ++k) {
            const long long place = start + k * inner, from = index[place];
            if ((from < 0 ? from + N : from) == n) sum += gy[place];
        }
        gx[i] = sum;
    }
}
