// Functions that the kernels of one_pass.py call; those stand in no file, but are written by the expressions.

// 1 / (1 + e^-x), with e^-|x|, which cannot overflow.
__device__ inline REAL sigmoid(REAL x)
{
    const REAL e = exp(-fabs(x));
    return (x >= 0 ? 1 : e) / (1 + e);
}

// log(1 + e^x), with e^-|x|
__device__ inline REAL softplus(REAL x)
{
    return larger(x, 0) + log1p(exp(-fabs(x)));
}

// The remainder of a / b, with the sign of b.
__device__ inline REAL modulo(REAL a, REAL b)
{
    const REAL rest = fmod(a, b);                        // exact, and with the sign of a
    if (rest == 0) return copysign((REAL)0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

// floor(a / b), with a / b rounded neither up to a whole number nor down from one: as NumPy has it.
__device__ inline REAL whole_quotient(REAL a, REAL b)
{
    if (b == 0) return a / b;
    const REAL rest = fmod(a, b);
    const REAL quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0), below = floor(quotient);
    return quotient - below > (REAL)0.5 ? below + 1 : below;
}
