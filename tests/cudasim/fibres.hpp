// Fibres: stacks that a program switches between by itself.
#pragma once
#include <cstddef>
#include <cstdint>
#include <sys/mman.h>

namespace cudasim {

static const size_t STACK = 256 * 1024;              // bytes of address space; memory is taken only where it is written
static const unsigned MOST_FIBRES = 1024;            // a block's threads

static char* stack_of(unsigned fibre)
{
    static char* stacks = (char*)mmap(nullptr, STACK * MOST_FIBRES, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return stacks + STACK * fibre;
}

#if defined(__x86_64__)

// A stack that waits: its lowest words are the registers that a function must preserve, then where it goes on.
typedef void* Context;

extern "C" void cudasim_switch(Context* from, Context to);
asm(".text\n"
    ".hidden cudasim_switch\n"
    ".globl cudasim_switch\n"
    "cudasim_switch:\n"
    "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, (%rdi)\n"
    "    mov %rsi, %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
    "    ret\n");

static void start(Context& context, unsigned fibre, void (*function)())
{
    void** top = (void**)(stack_of(fibre) + STACK);
    top[-2] = (void*)function;                       // function finds the stack as after a call: 8 bytes below 16 x n
    context = top - 8;                               // six registers, of any value, below it
}

static void switch_to(Context& from, Context& to)
{
    cudasim_switch(&from, to);
}

#else

}
#include <ucontext.h>
namespace cudasim {

typedef ucontext_t Context;

static void start(Context& context, unsigned fibre, void (*function)())
{
    getcontext(&context);
    context.uc_stack.ss_sp = stack_of(fibre);
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, function, 0);
}

static void switch_to(Context& from, Context& to)
{
    swapcontext(&from, &to);
}

#endif

}  // namespace cudasim
