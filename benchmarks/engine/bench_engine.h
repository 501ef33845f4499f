/* SPDX-License-Identifier: Apache-2.0 */
/* Origin: the project's own reference material; the interface is frozen (PTB_ABI), so that engines built elsewhere can be
 * loaded beside this one.
 *
 * The table of functions through which a benchmark drives one page-table engine, so that engines of the same format can be timed in turn in one run. A shared object exports
 *   const struct ptb_engine *ptb_engine_get(int i);   // NULL past the end
 */
#ifndef PTB_H
#define PTB_H
#include <stdint.h>
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
#define PTB_ABI 2
struct ptb_engine {
	int abi;
	const char *name;      /* e.g. "linux/armv8-s2" */
	const char *fmt;       /* armv8-s1 armv8-s2 vtdss amdv1 x86_64 riscv64: same fmt = A/B pair */
	int incoherent;        /* walker does not snoop: writes must be flushed */
	void *(*create)(void);
	void (*destroy)(void *);
	int (*map)(void *, uint64_t iova, uint64_t pa, uint64_t len);       /* read+write, 0 = ok */
	uint64_t (*unmap)(void *, uint64_t iova, uint64_t len);             /* bytes unmapped */
	uint64_t (*walk)(void *, uint64_t iova);                            /* iova -> pa, 0 = none */
	uint64_t (*table_bytes)(void *);                                    /* bytes of table memory now held */
	unsigned (*max_leaf_lg2)(void);
	/* optional: n scattered 4K pages at consecutive iova in one request (NULL: harness calls map() per page) */
	int (*map_list)(void *, uint64_t iova, const uint64_t *pa, size_t n);
};
const struct ptb_engine *ptb_engine_get(int i);
#ifdef __cplusplus
}
#endif
#endif
