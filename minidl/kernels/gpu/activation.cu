// relu_gradient: gx = gy where y > 0, else 0.
extern "C" __global__ void relu_gradient(const REAL* __restrict__ gy, const REAL* __restrict__ y,
                                         REAL* __restrict__ gx, long long count)
{
    FOR_EACH(i, count) gx[i] = y[i] > 0 ? gy[i] : (REAL)0;
}
