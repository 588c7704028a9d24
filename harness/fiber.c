/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber: see fiber.h. A switch saves the callee-saved registers on the present stack, stores the
 * stack pointer and takes up the other's. A fresh stack is laid out as if fiber_entry had just been
 * switched away from: its "saved" registers hold the function and its argument.
 *
 * Layout of a saved x86-64 stack, from the stack pointer up: mxcsr and x87 control word (8 bytes),
 * r15 r14 r13 r12 rbx rbp, return address. So in gdb, for a suspended fiber f:
 *   set $s=(unsigned long*)f->self.sp
 *   set $rip=$s[7], $rbp=$s[6], $rbx=$s[5], $rsp=$s+8
 * and bt shows where it stands; it ends at fiber_entry.
 *
 * Sanitizers: ASan keeps a "fake stack" per fiber, which each switch hands over; TSan has a context
 * per fiber, told of right before the switch.
 */
#include "fiber.h"
#include "base.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* One side of a switch: where it stands, and what the sanitizers keep for it. */
struct context {
#if defined(__x86_64__) || defined(__aarch64__)
    void *sp;
#else
    ucontext_t machine;
#endif
    void *fake_stack;         /* ASan */
    const void *stack_bottom; /* ASan: of this context's stack */
    size_t stack_bytes;
    void *tsan;
};

struct fiber {
    struct context self, resumer;
    void (*function)(void *);
    void *argument;
    void *mapping; /* guard page and stack */
    size_t mapping_bytes;
    bool started, ended;
};

#if defined(__x86_64__)
/* Stores the present stack pointer in *from and takes up `to`. */
void fiber_swap(void **from, void *to);
void fiber_entry(void);
__asm__(".text\n"
        ".globl fiber_swap\n"
        ".hidden fiber_swap\n"
        ".type fiber_swap,@function\n"
        "fiber_swap:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "push %rbp\n"
        "push %rbx\n"
        "push %r12\n"
        "push %r13\n"
        "push %r14\n"
        "push %r15\n"
        "sub $8, %rsp\n"
        "stmxcsr (%rsp)\n"
        "fnstcw 4(%rsp)\n"
        "mov %rsp, (%rdi)\n"
        "mov %rsi, %rsp\n"
        "ldmxcsr (%rsp)\n"
        "fldcw 4(%rsp)\n"
        "add $8, %rsp\n"
        "pop %r15\n"
        "pop %r14\n"
        "pop %r13\n"
        "pop %r12\n"
        "pop %rbx\n"
        "pop %rbp\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size fiber_swap,.-fiber_swap\n"
        ".globl fiber_entry\n"
        ".hidden fiber_entry\n"
        ".type fiber_entry,@function\n"
        "fiber_entry:\n"
        ".cfi_startproc\n"
        ".cfi_undefined rip\n"
        "endbr64\n"
        "mov %r12, %rdi\n"
        "call *%r13\n"
        "ud2\n"
        ".cfi_endproc\n"
        ".size fiber_entry,.-fiber_entry\n");

static void context_make(struct context *context, void *top, void (*function)(void *),
                         void *argument)
{
    uint64_t *stack = top;
    stack -= 2;                       /* keeps rsp 16-aligned before the call */
    *--stack = (uint64_t)fiber_entry; /* return address */
    *--stack = 0;                     /* rbp */
    *--stack = 0;                     /* rbx */
    *--stack = (uint64_t)argument;    /* r12 */
    *--stack = (uint64_t)function;    /* r13 */
    *--stack = 0;                     /* r14 */
    *--stack = 0;                     /* r15 */
    *--stack = 0x0000037f00001f80u;   /* x87 control word, mxcsr: the defaults */
    context->sp = stack;
}

static void context_swap(struct context *from, struct context *to)
{
    fiber_swap(&from->sp, to->sp);
}
#elif defined(__aarch64__)
void fiber_swap(void **from, void *to);
void fiber_entry(void);
__asm__(".text\n"
        ".globl fiber_swap\n"
        ".hidden fiber_swap\n"
        ".type fiber_swap,%function\n"
        "fiber_swap:\n"
        ".cfi_startproc\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]\n"
        "stp x21, x22, [sp, #16]\n"
        "stp x23, x24, [sp, #32]\n"
        "stp x25, x26, [sp, #48]\n"
        "stp x27, x28, [sp, #64]\n"
        "stp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\n"
        "stp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n"
        "mov x9, sp\n"
        "str x9, [x0]\n"
        "mov sp, x1\n"
        "ldp x19, x20, [sp]\n"
        "ldp x21, x22, [sp, #16]\n"
        "ldp x23, x24, [sp, #32]\n"
        "ldp x25, x26, [sp, #48]\n"
        "ldp x27, x28, [sp, #64]\n"
        "ldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\n"
        "ldp d10, d11, [sp, #112]\n"
        "ldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size fiber_swap,.-fiber_swap\n"
        ".globl fiber_entry\n"
        ".hidden fiber_entry\n"
        ".type fiber_entry,%function\n"
        "fiber_entry:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "mov x0, x19\n"
        "blr x20\n"
        "brk #0\n"
        ".cfi_endproc\n"
        ".size fiber_entry,.-fiber_entry\n");

static void context_make(struct context *context, void *top, void (*function)(void *),
                         void *argument)
{
    uint64_t *stack = (uint64_t *)top - 20; /* the 160 bytes that fiber_swap takes up */
    for (int i = 0; i < 20; i++)
        stack[i] = 0;
    stack[0] = (uint64_t)argument;     /* x19 */
    stack[1] = (uint64_t)function;     /* x20 */
    stack[11] = (uint64_t)fiber_entry; /* x30 */
    context->sp = stack;
}

static void context_swap(struct context *from, struct context *to)
{
    fiber_swap(&from->sp, to->sp);
}
#else
/* makecontext() passes ints only: the pointers travel in halves. */
static void portable_entry(unsigned function_high, unsigned function_low, unsigned argument_high,
                           unsigned argument_low)
{
    uintptr_t function = ((uintptr_t)function_high << 16 << 16) | function_low;
    uintptr_t argument = ((uintptr_t)argument_high << 16 << 16) | argument_low;
    ((void (*)(void *))function)((void *)argument);
}

static void context_make(struct context *context, void *top, void (*function)(void *),
                         void *argument)
{
    uintptr_t f = (uintptr_t)function, a = (uintptr_t)argument;
    getcontext(&context->machine);
    context->machine.uc_stack.ss_sp = (char *)top - context->stack_bytes;
    context->machine.uc_stack.ss_size = context->stack_bytes;
    makecontext(&context->machine, (void (*)(void))portable_entry, 4, (unsigned)(f >> 16 >> 16),
                (unsigned)f, (unsigned)(a >> 16 >> 16), (unsigned)a);
}

static void context_swap(struct context *from, struct context *to)
{
    swapcontext(&from->machine, &to->machine);
}
#endif

/* Switches, telling the sanitizers; `dying`: `from` will never be taken up again. */
static void switch_to(struct context *from, struct context *to, bool dying)
{
#ifdef ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->stack_bottom,
                                   to->stack_bytes);
#endif
#ifdef TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)dying;
    context_swap(from, to);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

static void run(void *argument)
{
    struct fiber *fiber = argument;
#ifdef ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->resumer.stack_bottom,
                                    &fiber->resumer.stack_bytes);
#endif
    fiber->function(fiber->argument);
    fiber->ended = true;
    switch_to(&fiber->self, &fiber->resumer, true);
}

size_t fiber_default_stack_bytes(void)
{
#if defined(ASAN) || defined(TSAN)
    return (size_t)128 << 10;
#else
    return (size_t)64 << 10;
#endif
}

struct fiber *fiber_new(void (*function)(void *argument), void *argument, size_t stack_bytes)
{
    size_t guard_bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct fiber *fiber = x_calloc(1, sizeof(*fiber));
    fiber->function = function;
    fiber->argument = argument;
    fiber->mapping_bytes = guard_bytes + stack_bytes;
    fiber->mapping = mmap(NULL, fiber->mapping_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber->mapping == MAP_FAILED || mprotect(fiber->mapping, guard_bytes, PROT_NONE) != 0)
        die(EXIT_INTERNAL,
            "no memory for another stack; fewer --workers, or raise vm.max_map_count");
    char *bottom = (char *)fiber->mapping + guard_bytes;
    fiber->self.stack_bottom = bottom;
    fiber->self.stack_bytes = stack_bytes;
#ifdef TSAN
    fiber->self.tsan = __tsan_create_fiber(0);
#endif
    context_make(&fiber->self, bottom + stack_bytes, run, fiber);
    return fiber;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber == NULL)
        return;
    must(fiber->ended || !fiber->started);
#ifdef TSAN
    __tsan_destroy_fiber(fiber->self.tsan);
#endif
#ifdef ASAN
    __asan_unpoison_memory_region(fiber->self.stack_bottom, fiber->self.stack_bytes);
#endif
    munmap(fiber->mapping, fiber->mapping_bytes);
    free(fiber);
}

void fiber_reset(struct fiber *fiber)
{
    char *top = (char *)fiber->mapping + fiber->mapping_bytes;
    must(fiber->ended || !fiber->started);
#ifdef ASAN
    __asan_unpoison_memory_region(fiber->self.stack_bottom, fiber->self.stack_bytes);
#endif
#ifdef TSAN
    __tsan_destroy_fiber(fiber->self.tsan);
    fiber->self.tsan = __tsan_create_fiber(0);
#endif
    fiber->started = fiber->ended = false;
    context_make(&fiber->self, top, run, fiber);
}

void fiber_resume(struct fiber *fiber)
{
    must(!fiber->ended);
    fiber->started = true;
#ifdef TSAN
    fiber->resumer.tsan = __tsan_get_current_fiber();
#endif
    switch_to(&fiber->resumer, &fiber->self, false);
}

void fiber_yield(struct fiber *fiber)
{
    switch_to(&fiber->self, &fiber->resumer, false);
}

bool fiber_ended(const struct fiber *fiber)
{
    return fiber->ended;
}
