// The fast build: pointers are C's, and nothing is looked at.
#pragma once
#include "cudasim.hpp"

namespace cudasim {

static void begin_launch() {}
static void begin_block() {}
static void end_block() {}
static void end_launch() {}

template <class T> static T* dynamic_shared() { return (T*)dynamic; }

}  // namespace cudasim

template <class T, class V> static T atomicAdd(T* p, V v) { T old = *p; *p = (T)(old + v); return old; }
template <class T, class V> static T atomicMax(T* p, V v) { T old = *p; if (old < (T)v) *p = (T)v; return old; }
template <class T, class V> static T atomicMin(T* p, V v) { T old = *p; if ((T)v < old) *p = (T)v; return old; }
template <class T, class V> static T atomicExch(T* p, V v) { T old = *p; *p = (T)v; return old; }
template <class T> static T atomicCAS(T* p, T from, T to) { T old = *p; if (old == from) *p = to; return old; }
