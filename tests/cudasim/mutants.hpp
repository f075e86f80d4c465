// Mutants: everything that can be changed in a source is compiled in, and a launch says which change takes effect.
// The Python side writes `a + cudasim::Plus(17) + b` for a + b: in mutant 17 this is a - b. CUDASIM_MUTANTS: how many.
#pragma once
#include "checked.hpp"

namespace cudasim {

static char reached[CUDASIM_MUTANTS + 1];            // the mutants whose place in the source was run through

static bool is(int mutant)
{
    reached[mutant] = 1;
    if (++launch->places > launch->limit && launch->limit) fail("the mutant runs for ever");
    return mutant == launch->mutant;
}

static int sign(int mutant) { return is(mutant) ? -1 : 1; }

template <class T> static const T& value_of(const T& v) { return v; }
template <class T> static std::remove_cv_t<T> value_of(const ref<T>& v) { return v; }
template <class T> static T value_of(const shared<T>& v) { return const_cast<shared<T>&>(v); }
template <class T, int N, int... D> static ptr<T> value_of(const shared<T, N, D...>& v)
{
    return const_cast<shared<T, N, D...>&>(v);
}
template <class T, int N> static ptr<T> value_of(const slice<T, N>& v) { return v; }

template <class A, class Operator> struct Half {     // a left operand and an operator, waiting for the right one
    A a;
    bool mutated;
};

#define CUDASIM_OPERATOR(Name, op, other) \
    struct Name { bool mutated; Name(int mutant) : mutated(is(mutant)) {} }; \
    template <class A> static auto operator op(const A& a, Name name) \
    { \
        return Half<std::decay_t<decltype(value_of(a))>, Name>{value_of(a), name.mutated}; \
    } \
    template <class A, class B> static auto operator op(const Half<A, Name>& half, const B& right) \
    { \
        const auto& b = value_of(right); \
        typedef decltype(half.a op b) Result; \
        return half.mutated ? (Result)(half.a other b) : half.a op b; \
    }
CUDASIM_OPERATOR(Plus, +, -)
CUDASIM_OPERATOR(Minus, -, +)
CUDASIM_OPERATOR(Times, *, +)
CUDASIM_OPERATOR(Divide, /, *)
CUDASIM_OPERATOR(Modulo, %, /)
CUDASIM_OPERATOR(Left, <<, >>)
CUDASIM_OPERATOR(Right, >>, <<)
CUDASIM_OPERATOR(And, &, |)
CUDASIM_OPERATOR(Or, |, &)
CUDASIM_OPERATOR(Xor, ^, |)
CUDASIM_OPERATOR(Less, <, <=)
CUDASIM_OPERATOR(LessEqual, <=, <)
CUDASIM_OPERATOR(Greater, >, >=)
CUDASIM_OPERATOR(GreaterEqual, >=, >)
CUDASIM_OPERATOR(Equal, ==, !=)
CUDASIM_OPERATOR(Unequal, !=, ==)

template <class A, class B> static auto min_or_max(int mutant, const A& a, const B& b)
{
    return is(mutant) ? max(value_of(a), value_of(b)) : min(value_of(a), value_of(b));
}
template <class A, class B> static auto max_or_min(int mutant, const A& a, const B& b)
{
    return is(mutant) ? min(value_of(a), value_of(b)) : max(value_of(a), value_of(b));
}

}  // namespace cudasim

extern "C" char* cudasim_reached() { return cudasim::reached; }
extern "C" int cudasim_mutants() { return CUDASIM_MUTANTS; }
