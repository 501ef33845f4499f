/* SPDX-License-Identifier: Apache-2.0 */
/* A program that brings the integer names itself: as macros, and as types of its own choice. */
#ifdef TYPES_AS_MACROS
#include <stdint.h>
#define _Uint64t uint64_t
#define _Uint32t uint32_t
#else
__extension__ typedef unsigned long long _Uint64t;
typedef unsigned int _Uint32t;
#define SMMU_NO_UINT_TYPES
#endif
#include <smmu_ext.h>

int main(void) {
    struct smmu_map_entry entry;
    entry.phys = 0;
    entry.len = 1;
    return entry.len == 1 ? 0 : 1;
}
