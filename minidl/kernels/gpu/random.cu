// Philox4x32-10: block i of a key's stream is the counter i, encrypted to four words of 32 bits (reference/random.py).
// All kernels here read nothing, and each thread stores four neighbouring numbers at once.

struct alignas(16) Words { unsigned word[4]; };          // what is aligned is stored 16 bytes at a time
struct alignas(16) Numbers { REAL number[4]; };

__device__ Words encrypted(unsigned long long i, unsigned long long key)
{
    unsigned c0 = (unsigned)i, c1 = (unsigned)(i >> 32), c2 = 0, c3 = 0;
    unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p0 = c0 * 0xD2511F53ull, p1 = c2 * 0xCD9E8D57ull;
        c0 = (unsigned)(p1 >> 32) ^ c1 ^ k0;
        c1 = (unsigned)p1;
        c2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;
        c3 = (unsigned)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// words (blocks, 4)
// H100: 20 registers, 100% occupancy; 4.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void philox(unsigned long long key, unsigned* __restrict__ words, long long blocks)
{
    FOR_EACH(i, blocks) ((Words*)words)[i] = encrypted(i, key);
}

// x (groups, 4), in [0, 1): of float from a word each, of double from two.
// H100: 20 registers, 100% occupancy; 4.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void uniform(unsigned long long key, REAL* __restrict__ x, long long groups)
{
    FOR_EACH(i, groups) {
        Numbers four;
        if (sizeof(REAL) == sizeof(float)) {
            const Words w = encrypted(i, key);
            for (int j = 0; j < 4; ++j) four.number[j] = (w.word[j] >> 8) * (REAL)5.9604644775390625e-08;       // 2^-24
        } else {
            for (int half = 0; half < 2; ++half) {
                const Words w = encrypted(2 * i + half, key);
                for (int j = 0; j < 2; ++j) {
                    const unsigned long long high = w.word[2 * j] >> 5, low = w.word[2 * j + 1] >> 6;
                    four.number[2 * half + j] = ((high << 26) + low) * (REAL)1.1102230246251565e-16;             // 2^-53
                }
            }
        }
        ((Numbers*)x)[i] = four;
    }
}

// mask (groups, 4): 0 where the word's 24 high bits are below `drop`, else `scale`. A word for each number.
// H100: 22 registers, 100% occupancy; 4.0 bytes per number moved, 4.0 the least.
extern "C" __global__ void dropout_mask(unsigned long long key, unsigned drop, REAL scale, REAL* __restrict__ mask,
                                        long long groups)
{
    FOR_EACH(i, groups) {
        const Words w = encrypted(i, key);
        Numbers four;
        for (int j = 0; j < 4; ++j) four.number[j] = w.word[j] >> 8 >= drop ? scale : (REAL)0;
        ((Numbers*)mask)[i] = four;
    }
}
