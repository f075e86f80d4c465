// The checked build: pointers know their arrays, and each number who touched it. Found are accesses outside of an array,
// numbers that are read and were never written, and races: two threads touch a number, one of them writes, and nothing
// says which comes first. Memory traffic is counted on the way.
#pragma once
#include <cstdlib>
#include "cudasim.hpp"

namespace cudasim {

// Where in the source something happens. A function's argument that defaults to a Site learns its caller's.
struct Site {
    int line;
    const char* file;
};

struct Touch {                                       // of a number, by a thread
    unsigned block;                                  // blocks are numbered through all launches, from 1; 0: nobody
    unsigned thread, block_barriers, warp_barriers;
    int line;
};

// What is known of a number. Two of its readers are kept, the last one and one that may come at the same time; of several
// that may, a write after them can so miss one.
struct Cell {
    Touch writer, readers[2];
    unsigned first_reader;                           // the first block of this launch that reads it
    bool atomic, loaded, stored;                     // atomic: what the writer did
};

struct Region {                                      // an argument, or an array in shared memory
    char* begin;
    char* end;
    Cell* cells;
    unsigned grain;                                  // bytes that a cell stands for
    const char* name;                                // of a shared array; null for an argument
    int argument;
};

enum Access { LOAD, STORE, ATOMIC };

static const int MOST_ARGUMENTS = 64;
static Region regions[MOST_ARGUMENTS];
static unsigned block_number, first_block;           // of this block, and of the launch's first
static Site here;                                    // of the current thread's last access with an index

// Traffic. A warp's threads load together when they do so at the same place in the source for the same time; what they
// load is moved in sectors of 32 bytes. So the sectors of a block are counted by warp, place, time and address.
static const unsigned SECTOR = 32, PLACES = 1024;
static uint64_t place_keys[PLACES];                  // line, argument, and whether it is a store; 0: free
static unsigned times[PLACES][MOST_FIBRES];          // how often each thread of this block was there
static unsigned used_places[PLACES], count_of_places;

struct Sectors {                                     // a set, by open addressing; emptied by a new stamp
    uint64_t* keys = nullptr;
    unsigned* stamps = nullptr;
    unsigned stamp = 0;
    size_t room = 0, used = 0;

    void resize(size_t larger)
    {
        Sectors grown;
        grown.keys = (uint64_t*)malloc(larger * sizeof *keys);
        grown.stamps = (unsigned*)calloc(larger, sizeof *stamps);
        grown.room = larger;
        grown.stamp = 1;
        for (size_t i = 0; i < room; ++i)
            if (stamps[i] == stamp) grown.add(keys[i]);
        free(keys);
        free(stamps);
        *this = grown;
    }

    bool add(uint64_t key)
    {
        if (2 * used >= room) resize(room ? 2 * room : 4096);
        size_t i = key % room;
        while (stamps[i] == stamp) {
            if (keys[i] == key) return false;
            i = (i + 1) % room;
        }
        stamps[i] = stamp;
        keys[i] = key;
        ++used;
        return true;
    }

    void empty()
    {
        ++stamp;
        used = 0;
    }
};
static Sectors sectors;

static uint64_t mixed(uint64_t x)                    // a hash; the constants are those of SplitMix64
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void count_traffic(const Region& region, const char* address, unsigned bytes, bool store)
{
    uint64_t key = ((uint64_t)here.line * MOST_ARGUMENTS + region.argument) * 2 + store + 1;
    unsigned place = mixed(key) % PLACES;
    while (place_keys[place] && place_keys[place] != key) place = (place + 1) % PLACES;
    if (!place_keys[place]) {
        place_keys[place] = key;
        used_places[count_of_places++] = place;
        if (count_of_places == PLACES / 2) fail("more than %u places that load or store", PLACES / 2);
    }
    uint64_t time = times[place][current]++;
    for (uint64_t sector = (uint64_t)(address - region.begin) / SECTOR;
         sector <= (uint64_t)(address - region.begin + bytes - 1) / SECTOR; ++sector)
        if (sectors.add(mixed(mixed(mixed(key) + time * MOST_FIBRES + current / warpSize) + sector)))
            (store ? launch->stored : launch->loaded) += SECTOR;
}

static const char* name_of(const Region& region)
{
    static char text[2][80];
    static int turn;
    char* name = text[turn++ % 2];
    if (region.name) snprintf(name, sizeof text[0], "shared array %s", region.name);
    else snprintf(name, sizeof text[0], "argument %d", region.argument);
    return name;
}

static const char* who(unsigned thread)
{
    static char text[2][80];
    static int turn;
    char* name = text[turn++ % 2];
    dim3 t = index_of(thread);
    snprintf(name, sizeof text[0], "thread (%u, %u, %u)", t.x, t.y, t.z);
    return name;
}

static const char* place_of(const Site& site)
{
    static char text[120];
    snprintf(text, sizeof text, "%s:%d", site.file ? site.file : "?", site.line);
    return text;
}

__attribute__((noinline, cold)) static void fail_access(const char* what, const Region& region, long long number)
{
    fail("%s: %s of block (%u, %u, %u) %s %lld of %s", place_of(here), who(current), blockIdx.x, blockIdx.y, blockIdx.z,
         what, number, name_of(region));
}

__attribute__((noinline, cold)) static void fail_race(const char* what, const Region& region, long long number,
                                                      const char* other, const Touch& touch)
{
    if (touch.block == block_number)
        fail("%s: a race: %s of block (%u, %u, %u) %s number %lld of %s, which %s %s at line %d, with no barrier between",
             place_of(here), who(current), blockIdx.x, blockIdx.y, blockIdx.z, what, number, name_of(region),
             who(touch.thread), other, touch.line);
    fail("%s: a race between blocks: %s of block (%u, %u, %u) %s number %lld of %s, which another block %s at line %d",
         place_of(here), who(current), blockIdx.x, blockIdx.y, blockIdx.z, what, number, name_of(region),
         other, touch.line);
}

// Did the touch, of this block, come before what the current thread does now, in every order of the threads?
static bool before(const Touch& touch)
{
    const Thread& me = threads[current];
    return touch.thread == current || touch.block_barriers != me.block_barriers
        || (touch.thread / warpSize == current / warpSize && touch.warp_barriers != me.warp_barriers);
}

static void touch_cell(Cell& cell, const Region& region, long long number, Access access)
{
    const Thread& me = threads[current];
    bool in_shared = region.name;
    bool written = cell.writer.block == block_number;
    bool written_by_others = !in_shared && !written && cell.writer.block >= first_block;
    if (in_shared && access != STORE && !written)
        fail_access("reads what its block has not written, number", region, number);
    bool both_atomic = access == ATOMIC && cell.atomic;
    const char* verb = access == LOAD ? "reads" : access == STORE ? "writes" : "changes";
    if (!both_atomic && (written_by_others || (written && !before(cell.writer))))
        fail_race(verb, region, number, "writes", cell.writer);
    if (access != LOAD) {
        for (const Touch& reader : cell.readers)
            if (reader.block == block_number && !before(reader)) fail_race(verb, region, number, "reads", reader);
        if (!in_shared && cell.first_reader >= first_block && cell.first_reader != block_number)
            fail_race(verb, region, number, "reads", {cell.first_reader, 0, 0, 0, cell.readers[0].line});
    }
    Touch touch = {block_number, current, me.block_barriers, me.warp_barriers, here.line};
    if (access == LOAD) {
        if (cell.first_reader < first_block) cell.first_reader = block_number;
        bool first = cell.readers[0].block != block_number || before(cell.readers[0]);
        cell.readers[first ? 0 : 1] = touch;
    } else {
        cell.writer = touch;
        cell.atomic = access == ATOMIC;
    }
    if (in_shared) return;
    if (access != STORE && !cell.loaded) {
        cell.loaded = true;
        if (!cell.stored) launch->distinct_loaded += region.grain;
    }
    if (access != LOAD && !cell.stored) {
        cell.stored = true;
        launch->distinct_stored += region.grain;
    }
}

static void touch(const Region* region, const void* address, unsigned bytes, Access access)
{
    if (!region) {
        if (!address) fail("%s: %s follows a null pointer", place_of(here), who(current));
        return;                                      // a thread's own array
    }
    char* begin = (char*)address;
    if (begin < region->begin || begin + bytes > region->end) {
        const char* what = access == LOAD ? "reads outside, number" : "writes outside, number";
        if (!region->begin) what = "follows a null pointer, number";
        fail_access(what, *region, (begin - region->begin) / (long long)bytes);
    }
    for (unsigned offset = 0; offset < bytes; offset += region->grain) {
        long long cell = (begin + offset - region->begin) / region->grain;
        touch_cell(region->cells[cell], *region, cell, access);
    }
    if (region->name) return;
    if (access != STORE) count_traffic(*region, begin, bytes, false);
    if (access != LOAD) count_traffic(*region, begin, bytes, true);
}

// What strictcupy fills unwritten memory with (memory.py there).
static bool is_poison(float v) { uint32_t bits; memcpy(&bits, &v, 4); return bits == 0x7FC0DEADu; }
static bool is_poison(double v) { uint64_t bits; memcpy(&bits, &v, 8); return bits == 0x7FF8DEADDEADDEADu; }
static bool is_poison(int v) { return v == 0x7EADDEAD; }
static bool is_poison(long long v) { return v == 0x7EADDEAD7EADDEAD; }
template <class T> static bool is_poison(const T&) { return false; }

template <class T> static std::remove_cv_t<T> load(T* p, const Region* region, Access access = LOAD)
{
    touch(region, p, sizeof(T), access);
    if (region && !region->name && is_poison(*p))
        fail_access("reads what nobody has written, number", *region, ((char*)p - region->begin) / (long long)sizeof(T));
    return *p;
}

template <class T, class V> static void store(T* p, const Region* region, V v, Access access = STORE)
{
    touch(region, p, sizeof(T), access);
    *p = (T)v;
}

struct At {                                          // an index, and where in the source it stands
    long long index;
    template <class I> At(I i, int line = __builtin_LINE(), const char* file = __builtin_FILE()) : index((long long)i)
    {
        here = {line, file};
    }
};

template <class T> struct ptr;

// x[i]: a number that is read where a value is wanted, and written where it is assigned to.
template <class T> struct ref {
    typedef std::remove_cv_t<T> V;
    T* p;
    const Region* region;
    Site site;

    ref(T* p, const Region* region) : p(p), region(region), site(here) {}
    ref(const ref&) = delete;                        // `auto v = x[i]` would be no number

    operator V() const { here = site; return load(p, region); }
    ptr<T> operator&() const { return ptr<T>(p, region); }
    V operator=(V v) const { here = site; store(p, region, v); return v; }
    V operator=(const ref& other) const { return *this = (V)other; }
    template <class U> V operator=(const ref<U>& other) const { return *this = (V)(typename ref<U>::V)other; }
    template <class U> V operator+=(U v) const { return *this = (V)((V)*this + v); }
    template <class U> V operator-=(U v) const { return *this = (V)((V)*this - v); }
    template <class U> V operator*=(U v) const { return *this = (V)((V)*this * v); }
    template <class U> V operator/=(U v) const { return *this = (V)((V)*this / v); }
    template <class U> V operator|=(U v) const { return *this = (V)((V)*this | v); }
    template <class U> V operator&=(U v) const { return *this = (V)((V)*this & v); }
    template <class U> V operator^=(U v) const { return *this = (V)((V)*this ^ v); }
    V operator++() const { return *this += 1; }
    V operator--() const { return *this -= 1; }
    V operator++(int) const { V v = *this; *this = (V)(v + 1); return v; }
    V operator--(int) const { V v = *this; *this = (V)(v - 1); return v; }
};

template <class T> struct ptr {
    T* p = nullptr;
    const Region* region = nullptr;

    ptr() {}
    ptr(std::nullptr_t) {}
    ptr(T* p, const Region* region = nullptr) : p(p), region(region) {}
    template <class U, class = std::enable_if_t<std::is_convertible<U*, T*>::value>>
    ptr(const ptr<U>& other) : p(other.p), region(other.region) {}
    template <class U, class = std::enable_if_t<!std::is_convertible<U*, T*>::value>, class = void>
    explicit ptr(const ptr<U>& other) : p((T*)other.p), region(other.region) {}

    auto operator[](At at) const { return *(*this + at.index); }
    auto operator*() const
    {
        if constexpr (std::is_const<T>::value) return load(p, region);
        else return ref<T>(p, region);
    }
    explicit operator bool() const { return p; }
    ptr operator+(long long n) const { return ptr(p + n, region); }
    ptr operator-(long long n) const { return ptr(p - n, region); }
    long long operator-(const ptr& other) const { return p - other.p; }
    ptr& operator+=(long long n) { p += n; return *this; }
    ptr& operator-=(long long n) { p -= n; return *this; }
    ptr& operator++() { ++p; return *this; }
    ptr& operator--() { --p; return *this; }
    ptr operator++(int) { ptr before = *this; ++p; return before; }
    bool operator==(const ptr& other) const { return p == other.p; }
    bool operator!=(const ptr& other) const { return p != other.p; }
    bool operator<(const ptr& other) const { return p < other.p; }
    bool operator!() const { return !p; }
};

// &x[i], without reading the number: places(x)[i]
template <class T> struct places_of {
    ptr<T> p;
    ptr<T> operator[](At at) const { return p + at.index; }
};
template <class T> static places_of<T> places(ptr<T> p) { return {p}; }

// Part of an array of several dimensions D: what its first index leaves.
template <class T, int N, int... D> struct slice {
    T* p;
    const Region* region;

    static const int step = slice<T, D...>::step * slice<T, D...>::length;
    static const int length = N;

    slice<T, D...> operator[](At at) const
    {
        if (at.index < 0 || at.index >= N) fail_access("goes outside of a dimension, with index", *region, at.index);
        return {p + at.index * step, region};
    }
};

template <class T, int N> struct slice<T, N> {
    T* p;
    const Region* region;

    static const int step = 1, length = N;

    ref<T> operator[](At at) const
    {
        if (at.index < 0 || at.index >= N) fail_access("goes outside of a dimension, with index", *region, at.index);
        return ref<T>(p + at.index, region);
    }
    operator ptr<T>() const { return ptr<T>(p, region); }
    ptr<T> operator+(long long n) const { return ptr<T>(p + n, region); }
};

// __shared__ T name[D]...;
template <class T, int... D> struct shared {
    static const int count = (D * ... * 1);
    T numbers[count];
    Cell cells[count];
    Region region;

    shared(const char* name) : region{(char*)numbers, (char*)(numbers + count), cells, sizeof(T), name, 0} {}

    decltype(auto) operator[](At at) { return slice<T, D...>{numbers, &region}[at]; }
    operator ptr<T>() { return ptr<T>(numbers, &region); }
    ptr<T> operator+(long long n) { return ptr<T>(numbers + n, &region); }
};

template <class T> struct shared<T> {
    T number;
    Cell cell;
    Region region;

    shared(const char* name) : region{(char*)&number, (char*)(&number + 1), &cell, sizeof(T), name, 0} {}

    operator T() { return load(&number, &region); }
    template <class V> T operator=(V v) { return ref<T>(&number, &region) = (T)v; }
    template <class V> T operator+=(V v) { return ref<T>(&number, &region) += v; }
    ptr<T> operator&() { return ptr<T>(&number, &region); }
};

// Dynamic shared memory is one array, however a kernel names it.
static Cell dynamic_cells[sizeof dynamic / 4];
static Region dynamic_region = {dynamic, dynamic, dynamic_cells, 4, "of dynamic size", 0};

template <class T> static ptr<T> dynamic_shared()
{
    return ptr<T>((T*)dynamic, &dynamic_region);
}

// The kernel's pointers get their regions. Arguments in the same memory have cells in common.
static Cell* cells;
static size_t room_for_cells;

static void begin_launch()
{
    first_block = block_number + 1;
    dynamic_region.end = dynamic + launch->shared;
    launch->loaded = launch->stored = launch->distinct_loaded = launch->distinct_stored = 0;
    size_t needed = 0;
    for (int i = 0; i < launch->arguments; ++i) needed += launch->bytes[i] / launch->item[i] + 1;
    if (needed > room_for_cells) {
        free(cells);
        cells = (Cell*)malloc(needed * sizeof(Cell));
        room_for_cells = needed;
    }
    memset(cells, 0, needed * sizeof(Cell));
    Cell* next = cells;
    for (int i = 0; i < launch->arguments; ++i) {
        char* begin = *(char**)arguments[i];
        Region& region = regions[i];
        region = {begin, begin + launch->bytes[i], next, (unsigned)launch->item[i], nullptr, i};
        next += launch->bytes[i] / launch->item[i] + 1;
    }
    for (int i = 0; i < launch->arguments; ++i)      // one array twice, or part of another
        for (int j = 0; j < i; ++j) {
            Region &part = regions[i], &whole = regions[j];
            bool inside = part.begin < part.end && whole.begin <= part.begin && part.end <= whole.end;
            if (!inside || part.grain != whole.grain) continue;
            part.cells = whole.cells + (part.begin - whole.begin) / whole.grain;
            break;
        }
}

static void begin_block() { ++block_number; }

static void end_block()
{
    for (unsigned i = 0; i < count_of_places; ++i) {
        place_keys[used_places[i]] = 0;
        memset(times[used_places[i]], 0, count * sizeof times[0][0]);
    }
    count_of_places = 0;
    sectors.empty();
}

static void end_launch()
{
    if (failed) end_block();
}

template <class T> struct Argument<ptr<T>> {
    static ptr<T> get(void** arguments, int i) { return ptr<T>(*(T**)arguments[i], &regions[i]); }
};
template <class T> struct Parameter<ptr<T>> : Parameter<T*> {};

}  // namespace cudasim

// Atomics: they touch a number as one, so they do not race with each other.
#define CUDASIM_ATOMIC(name, changed) \
    template <class T, class V> static T name(cudasim::ptr<T> p, V v) \
    { \
        const T old = cudasim::load(p.p, p.region, cudasim::ATOMIC), given = (T)v; \
        *p.p = (T)(changed); \
        return old; \
    }
CUDASIM_ATOMIC(atomicAdd, old + given)
CUDASIM_ATOMIC(atomicMax, old < given ? given : old)
CUDASIM_ATOMIC(atomicMin, given < old ? given : old)
CUDASIM_ATOMIC(atomicExch, given)
template <class T, class V> static T atomicCAS(cudasim::ptr<T> p, V from, V to)
{
    const T old = cudasim::load(p.p, p.region, cudasim::ATOMIC);
    if (old == (T)from) *p.p = (T)to;
    return old;
}
