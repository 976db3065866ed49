/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words every file uses: fixed-width integers, and addresses that cannot be mixed up.
 *
 *   gva   guest-virtual, what a guest's instruction says       (plain u64: segmentation already
 * added) gpa   guest-physical, what the guest's page tables say     gfn = gpa >> 12 hpa
 * host-physical, what EPT and NPT say                  mfn = hpa >> 12
 *
 * Each physical kind is a struct of its own, so passing one for another does not compile.
 */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef struct {
    u64 v;
} gpa_t;
typedef struct {
    u64 v;
} gfn_t;
typedef struct {
    u64 v;
} hpa_t;
typedef struct {
    u64 v;
} mfn_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ul << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define GPA(x)     ((gpa_t){(x)})
#define GFN(x)     ((gfn_t){(x)})
#define HPA(x)     ((hpa_t){(x)})
#define MFN(x)     ((mfn_t){(x)})

/* No frame: what an allocator returns when it has none left. */
#define MFN_NONE MFN(~0ull)

static inline bool mfn_is_none(mfn_t m)
{
    return m.v == ~0ull;
}
static inline gfn_t gpa_gfn(gpa_t a)
{
    return GFN(a.v >> PAGE_SHIFT);
}
static inline gpa_t gfn_gpa(gfn_t f)
{
    return GPA(f.v << PAGE_SHIFT);
}
static inline mfn_t hpa_mfn(hpa_t a)
{
    return MFN(a.v >> PAGE_SHIFT);
}
static inline hpa_t mfn_hpa(mfn_t f)
{
    return HPA(f.v << PAGE_SHIFT);
}

#endif
