// Updates of parameters, in place (reference/update.py says which): a thread for each number. Each number of w, of g and of
// what is remembered is read once, and written once; neighbouring threads have neighbouring ones. What an update need not
// remember is a null pointer.

// H100: 30 registers, 100% occupancy; 20.0 bytes per number moved, 20.0 the least.
extern "C" __global__ void sgd_step(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ v, REAL lr,
                                    REAL momentum, REAL undamped, REAL weight_decay, int nesterov, long long count)
{
    FOR_EACH(i, count) {
        const REAL x = w[i];
        REAL d = g[i] + weight_decay * x;
        if (v) {
            const REAL speed = momentum * v[i] + undamped * d;
            v[i] = speed;
            d = nesterov ? d + momentum * speed : speed;
        }
        w[i] = x - lr * d;
    }
}

// `rate` is lr over what m lacks of a mean, `root` the square root of what v lacks.
// H100: 34 registers, 75% occupancy; 28.0 bytes per number moved, 28.0 the least.
extern "C" __global__ void adam_step(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ m,
                                     REAL* __restrict__ v, REAL* __restrict__ largest, REAL rate, REAL root, REAL beta1,
                                     REAL share1, REAL beta2, REAL share2, REAL eps, REAL decay, REAL shrink,
                                     long long count)
{
    FOR_EACH(i, count) {
        const REAL x = w[i], d = g[i] + decay * x;
        const REAL mean = beta1 * m[i] + share1 * d;
        REAL size = beta2 * v[i] + share2 * d * d;
        m[i] = mean;
        v[i] = size;
        if (largest) largest[i] = size = larger(largest[i], size);
        w[i] = shrink * x - rate * mean / (sqrt(size) / root + eps);
    }
}

// H100: 32 registers, 100% occupancy; 28.0 bytes per number moved, 28.0 the least.
extern "C" __global__ void rmsprop_step(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ v,
                                        REAL* __restrict__ m, REAL* __restrict__ b, REAL lr, REAL alpha, REAL rest,
                                        REAL eps, REAL weight_decay, REAL momentum, long long count)
{
    FOR_EACH(i, count) {
        const REAL x = w[i];
        REAL d = g[i] + weight_decay * x;
        REAL size = alpha * v[i] + rest * d * d;
        v[i] = size;
        if (m) {
            const REAL mean = alpha * m[i] + rest * d;
            m[i] = mean;
            size = larger(size - mean * mean, 0);        // rounding can leave it below 0
        }
        d /= sqrt(size) + eps;
        if (b) b[i] = d = momentum * b[i] + d;
        w[i] = x - lr * d;
    }
}

// H100: 32 registers, 100% occupancy; 28.0 bytes per number moved, 28.0 the least.
extern "C" __global__ void rmsprop_tf_step(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ v,
                                           REAL* __restrict__ b, REAL lr, REAL alpha, REAL rest, REAL eps,
                                           REAL weight_decay, REAL momentum, long long count)
{
    FOR_EACH(i, count) {
        const REAL x = w[i], d = g[i] + weight_decay * x;
        const REAL size = alpha * v[i] + rest * d * d;
        const REAL step = momentum * b[i] + lr * d / sqrt(size + eps);
        v[i] = size;
        b[i] = step;
        w[i] = x - step;
    }
}

// H100: 32 registers, 100% occupancy; 20.0 bytes per number moved, 20.0 the least.
extern "C" __global__ void adagrad_step(REAL* __restrict__ w, const REAL* __restrict__ g, REAL* __restrict__ total,
                                        REAL lr, REAL eps, REAL weight_decay, long long count)
{
    FOR_EACH(i, count) {
        const REAL x = w[i], d = g[i] + weight_decay * x;
        const REAL sum = total[i] + d * d;
        total[i] = sum;
        w[i] = x - lr * d / (sqrt(sum) + eps);
    }
}

// H100: 30 registers, 100% occupancy; 12.0 bytes per number moved, 12.0 the least.
extern "C" __global__ void running_average(REAL* __restrict__ average, const REAL* __restrict__ x, REAL keep, REAL take,
                                           long long count)
{
    FOR_EACH(i, count) average[i] = keep * average[i] + take * x[i];
}
