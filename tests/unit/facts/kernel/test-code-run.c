/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/code-run.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "util/macro.h"

#define CODE_MAX 512
#define KERNEL UINT64_C(0xffffffff81000000)

struct program {
        uint8_t code[CODE_MAX];
        size_t size;
        uint64_t at;    /* where it is */
        uint64_t thunk; /* a jump to there is a return */
};

static size_t from_hex(const char *hex, uint8_t *bytes)
{
        size_t n = strlen(hex) / 2;

        assert_true(n <= CODE_MAX);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &bytes[i]), 1);
        return n;
}

static int fetch_code(void *userdata, uint64_t address, const uint8_t **ret_code, size_t *ret_size)
{
        const struct program *p = userdata;

        if (address < p->at || address - p->at >= p->size)
                return -ENXIO;
        *ret_code = p->code + (address - p->at);
        *ret_size = p->size - (address - p->at);
        return 0;
}

static int is_return(void *userdata, uint64_t address)
{
        const struct program *p = userdata;

        return p->thunk && address == p->thunk;
}

/* What the program has behind its code is its memory. */
static int read_data(void *userdata, uint64_t address, size_t size, uint64_t *ret)
{
        const struct program *p = userdata;

        if (address < p->at || address - p->at > p->size - size)
                return -EFAULT;
        *ret = 0;
        memcpy(ret, p->code + (address - p->at), size);
        return 0;
}

static int run_program(struct program *p, const uint64_t arguments[4], uint64_t *ret)
{
        const struct code_world world = {
                .fetch = fetch_code, .returns = is_return, .read = read_data, .userdata = p
        };

        return code_run(&world, p->at, arguments, ret);
}

#ifdef __x86_64__
static const struct {
        const char *name, *code;
} programs[] = {
        /* clang-format off */
        { "add, adc, sub, sbb",
          "4889f84801f04811d019f84883e805c3efcdab89674523010000000000000000" },
        { "borrow and carry on",
          "4889f84839d64819f04819c94839fa11fe4811f019d24801c84801d0c30f1f00efcdab896745"
          "23010000000000000000" },
        { "and, or, xor, cmp in all sizes",
          "4889f821f0480d0002040030d080f4554839f04819c94801c86609f0c30f1f00efcdab896745"
          "23010000000000000000" },
        { "high and low byte registers",
          "4889f888d488e588ce30f50fb6cd01c8f6c4040f95c0c390efcdab8967452301000000000000"
          "0000" },
        { "byte registers with REX",
          "4889f84188f04488c04080e604400f94c7400fb6cf4801c8c30f1f8000000000efcdab896745"
          "23010000000000000000" },
        { "shl, shr, sar by a number",
          "4889f848c1e005c1e80348c1f8024889f2c1fa074883d0004801d0c30f1f4000efcdab896745"
          "23010000000000000000" },
        { "shl, rol by %cl",
          "4889f848d3e04889f248d3c24831d0c1c80348d3ef4831f8c30f1f8000000000efcdab896745"
          "23010000000000000000" },
        { "not, neg, inc, dec",
          "4889f848f7d0f7d84819d248ffc0fec94801d00fb6c94801c8c3660f1f440000efcdab896745"
          "23010000000000000000" },
        { "bt, bts, btr, btc",
          "4889f8480fbae60a0f92c2480fabc8480fbaf0030fbbc80fb6d24801d0c36690efcdab896745"
          "23010000000000000000" },
        { "a string of bits on the stack",
          "48c74424f00000000048c74424f80000000083e77f480fab7c24f0480fba6c24f80e488b4424"
          "f048334424f8c30f1f00efcdab89674523010000000000000000" },
        { "bsr, bsf",
          "b877000000480fbdc70fbcd60f44d14801d0c30f1f440000efcdab8967452301000000000000"
          "0000" },
        { "push, pop, lea",
          "5741544989f4415c58488d44b0f9488d14d54433221101d0c30f1f8000000000efcdab896745"
          "23010000000000000000" },
        { "movslq, movzwl, movsbl, movabs",
          "4863c70fb7ce4801c80fbeca31c848ba0e000000120000004801d0480fbece4801c8c30f1f44"
          "0000efcdab89674523010000000000000000" },
        { "every condition",
          "31c04839f70f90c00f91c1d1e04839f70f92c10fb6c909c8d1e039f70f96c10fb6c909c8d1e0"
          "4038f70f98c10fb6c909c8d1e04839f70f9cc10fb6c909c8d1e04839f70f9ec10fb6c909c8d1"
          "e04839f70f97c10fb6c909c8d1e039fe0f9dc10fb6c909c8d1e06639fe0f9fc10fb6c909c8d1"
          "e04885fe0f99c10fb6c909c8c390efcdab89674523010000000000000000" },
        { "jumps",
          "4889f84839f7770a4883c003a801740aeb0b4829f083f83f760348f7d031d0c3efcdab896745"
          "23010000000000000000" },
        { "a loop",
          "31c083e70f4801f048c1c00783ef0179f4c3660f1f440000efcdab8967452301000000000000"
          "0000" },
        { "a call",
          "534889fbe8050000004801d85bc34889f048c1e81883e001c30f1f8000000000efcdab896745"
          "23010000000000000000" },
        { "memory",
          "4889f8488b0d3e0000004801c8f60539000000200f95c20fb6d24801d048833d2b0000000048"
          "0f44c60fb70d1a0000004801c848f7050a000000000400000f94c200d0c30f1f4000efcdab89"
          "674523010000000000000000" },
        { "endbr64, nops",
          "f30f1efa0f1f0400662e0f1f8400000000006690904889f0c30f1f8000000000efcdab896745"
          "23010000000000000000" },
        { "16 bits",
          "4889f8662500f0663d00800f94c16601f00fb6c94801c866ba34126601d0c390efcdab896745"
          "23010000000000000000" },
        { "numbers to memory",
          "c74424f844332211c64424fa5566c74424fc887766c74424fe0000816424f8fffff0ff804c24"
          "f802f75424fc488b4424f8f64424f8020f94c200d0480f43c7ff4424fc034424fcc3efcdab89"
          "674523010000000000000000" },
        /* clang-format on */
};

static const uint64_t values[] = {
        0,
        1,
        2,
        4,
        10,
        0x3f,
        0x80,
        0xff,
        0x400,
        0x7fff,
        0x8000,
        0x10444400,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x0123456789abcdef,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xfffffffffffffffe,
        UINT64_MAX,
};

static void compare_with_processor(struct program *p, const char *name, const uint8_t *memory,
                                   const uint64_t a[4])
{
        uint64_t (*native)(uint64_t, uint64_t, uint64_t, uint64_t);
        uint64_t expected, got = 0;
        int r;

        memcpy(&native, &memory, sizeof(native));
        expected = native(a[0], a[1], a[2], a[3]);
        r = run_program(p, a, &got);
        if (r < 0 || got != expected)
                fail_msg("%s (%jx, %jx, %jx, %jx): %d, %jx instead of %jx", name, (uintmax_t) a[0],
                         (uintmax_t) a[1], (uintmax_t) a[2], (uintmax_t) a[3], r, (uintmax_t) got,
                         (uintmax_t) expected);
}

/* The processor knows best: each program is run by both. */
static void test_processor(void **state)
{
        const size_t n = ELEMENTSOF(values);
        uint8_t *memory = mmap(NULL, CODE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        (void) state;
        assert_true(memory != MAP_FAILED);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                struct program p = { .at = (uintptr_t) memory };

                p.size = from_hex(programs[i].code, p.code);
                assert_int_equal(mprotect(memory, CODE_MAX, PROT_READ | PROT_WRITE), 0);
                memcpy(memory, p.code, p.size);
                if (mprotect(memory, CODE_MAX, PROT_READ | PROT_EXEC) < 0)
                        skip(); /* a host that lets nobody write code */
                for (size_t k = 0; k < n * n; k++)
                        compare_with_processor(&p, programs[i].name, memory,
                                               (const uint64_t[4]){ values[k % n], values[k / n],
                                                                    values[(k + k / 7) % n], k });
        }
        munmap(memory, CODE_MAX);
}
#endif

/* What it does not know, and what it does not let happen. */
static void test_refused(void **state)
{
        static const struct {
                const char *name, *code;
                int error;
        } cases[] = {
                { "no end", "ebfe", -ELOOP },
                { "syscall", "0f05c3", -EOPNOTSUPP },
                { "ud2", "0f0b", -EOPNOTSUPP },
                { "int3", "ccc3", -EOPNOTSUPP },
                { "SSE", "660fefc0c3", -EOPNOTSUPP },
                { "cpuid", "0fa2c3", -EOPNOTSUPP },
                { "a jump by parity", "7a00c3", -EOPNOTSUPP },
                { "a jump through a pointer", "ff27", -EOPNOTSUPP },
                { "a write to a pointer", "488937c3", -EFAULT },
                { "a write to per-CPU data", "654889342528000000c3", -EFAULT },
                { "a read of what is nowhere", "488b07c3", -EFAULT },
                { "code that is nowhere", "e900100000", -ENXIO },
                { "half an instruction", "4881", -ENXIO },
                { "calls without end", "90e8faffffff", -EFAULT },
                { "pops without end", "585858ebfb", -EFAULT },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct program p = { .at = KERNEL };
                uint64_t got;
                int r;

                p.size = from_hex(cases[i].code, p.code);
                r = run_program(&p, (const uint64_t[4]){ 0x1000, 1, 2, 3 }, &got);
                if (r != cases[i].error)
                        fail_msg("%s: %d instead of %d", cases[i].name, r, cases[i].error);
        }
}

/* How the kernel's functions begin and end: a call of the tracer, and a jump instead of a return. */
static void test_kernel(void **state)
{
        struct program p = { .at = KERNEL, .thunk = KERNEL + 0x1000 };
        uint64_t got;

        (void) state;
        p.size = from_hex("f30f1efa"           /* endbr64 */
                          "e800004000"         /* call the tracer */
                          "65488b042528000000" /* mov %gs:0x28,%rax */
                          "65482b042528000000" /* sub %gs:0x28,%rax */
                          "7508"               /* jne to the end */
                          "4889f0"             /* mov %rsi,%rax */
                          "e9db0f0000",        /* jmp to the thunk */
                          p.code);
        assert_ok(run_program(&p, (const uint64_t[4]){ 1, 42 }, &got));
        assert_int_equal(got, 42);
        p.thunk = 0;
        assert_int_equal(run_program(&p, (const uint64_t[4]){ 1, 42 }, &got), -ENXIO);
        p.thunk = KERNEL + 0x1000;
        memcpy(p.code, "\x0f\x1f\x40\x00", 4); /* no endbr64: the call is one of the function's own */
        assert_int_equal(run_program(&p, (const uint64_t[4]){ 1, 42 }, &got), -ENXIO);
}

/* Whatever the bytes are, it comes to an end. */
static void test_noise(void **state)
{
        uint32_t seed = 1;

        (void) state;
        for (unsigned n = 0; n < 20000; n++) {
                struct program p = { .at = KERNEL, .size = 64 };
                uint64_t got;

                for (size_t i = 0; i < p.size; i++) {
                        seed = seed * 1664525 + 1013904223;
                        p.code[i] = (uint8_t) (seed >> 24);
                }
                (void) run_program(&p, (const uint64_t[4]){ p.at, 1, 2, 3 }, &got);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#ifdef __x86_64__
                cmocka_unit_test(test_processor),
#endif
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_noise),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
