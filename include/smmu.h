/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smmu.h - the client interface of the DMA containment service (libsmmu).
 *
 * Source compatible with the header of the same name in QNX SDP 7 and 8: a program written for it
 * compiles unchanged as gnu99, C11 and C++11 to C++23, also when included inside extern "C".
 *
 * Model: a process connects (smmu_init), creates objects, attaches DMA devices to an object, and
 * grants memory ranges to the object. A device reaches exactly what its object grants, plus what
 * the machine's configuration grants it; every other access is refused by hardware and recorded.
 *
 * Rules for all functions: a failure is -1 (NULL, or (unsigned)-1 where said) with errno set; the
 * sentence that belongs to it is smmu_strerror_last() of smmu_ext.h. All functions may be called
 * from any thread. Addresses and lengths are in bytes; nothing needs to be aligned (hardware opens
 * whole granules, usually 4 KiB).
 *
 * errno values that every function but smmu_init, smmu_fini and smmu_obj_destroy may give:
 *   ENOTCONN   no smmu_init yet, the service ended, or this is a forked child: call smmu_init(0)
 *   ETIMEDOUT  no answer; the connection is given up and what was granted is being revoked
 *   ENOMEM     no memory here or in the service
 */
#ifndef SMMU_H_INCLUDED
#define SMMU_H_INCLUDED

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The integer names of QNX. A program that brings its own (as a macro, or as a type that is not
 * uint64_t and uint32_t) defines SMMU_NO_UINT_TYPES before including this file.
 */
#ifndef SMMU_NO_UINT_TYPES
#ifndef _Uint32t
typedef uint32_t _Uint32t;
#endif
#ifndef _Uint64t
typedef uint64_t _Uint64t;
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* With strict ISO C, <signal.h> does not define it. */
struct sigevent;

/* Names of the abilities that the service's configuration gives to users and groups. */
#define SMMU_ABILITY_ATTACH_NAME "smmu/attach" /* may connect and own devices */
#define SMMU_ABILITY_TARGET_NAME "smmu/target" /* may use SMF_TARGET and SOCF_RESERVED_MANUAL */

/* Any bus, device or function. */
#define SMMU_PCI_FIELD_ANY (~0u)

/* How a device is named: the value of the member `type`. */
enum smmu_devid_type {
    SDT_PCI,      /* a PCI function */
    SDT_MMIO,     /* a device named by the physical address of its registers */
    SDT_NUM_TYPES /* in a record: no known device */
};

/*
 * A PCI function. `bus` 0..255 is a bus of segment 0; smmu_pci_segment_bus() of smmu_ext.h says a
 * bus of another segment. `dev` 0..31, `func` 0..7; each may be SMMU_PCI_FIELD_ANY (any bus: of
 * segment 0).
 */
struct smmu_devid_pci {
    unsigned type; /* SDT_PCI */
    unsigned bus;
    unsigned dev;
    unsigned func;
};

/*
 * A memory-mapped device. `phys` is the address of its registers, `length` their bytes. A device
 * known by exactly `phys` is meant; if there is none, all whose registers begin in [phys, phys +
 * length); else the one whose registers contain `phys`. Length 0: `phys` alone.
 */
struct smmu_devid_mmio {
    unsigned type; /* SDT_MMIO */
    unsigned length;
    _Uint64t phys;
};

/* Only the members of the kind that `type` says are read. */
union smmu_devid {
    unsigned type;
    struct smmu_devid_pci pci;
    struct smmu_devid_mmio mmio;
    _Uint64t __spacer[4];
};

/* A range of addresses. `phys` and `len` are used; the other names of the first member are for
 * future use. */
struct smmu_map_entry {
    __extension__ union {
        void* virt;
        _Uint32t virt32;
        _Uint64t virt64;
        _Uint64t phys; /* device address; the physical one too, but for SMF_TARGET */
    };
    _Uint64t len; /* bytes, at least 1 */
};

/* A refused access. */
struct smmu_status {
    _Uint64t hw_specific;   /* the first word that hardware recorded */
    _Uint64t fault_addr;    /* the device address, as far as hardware tells it */
    union smmu_devid devid; /* type SDT_NUM_TYPES when no device is known */
    unsigned flags;         /* SSF_*; low bits: the refused SMF_READ, SMF_WRITE, SMF_EXEC */
};

/* Flags of smmu_obj_create. */
#define SOCF_NONE 0x0000u            /* the service keeps the devices' reserved regions reachable */
#define SOCF_RESERVED_MANUAL 0x0001u /* the client does (needs ability smmu/target) */

/* Flags of smmu_mapping_add. */
#define SMF_NONE 0x00u   /* no permission: remove the ranges */
#define SMF_READ 0x01u   /* devices may read */
#define SMF_WRITE 0x02u  /* devices may write */
#define SMF_EXEC 0x04u   /* devices may fetch instructions */
#define SMF_VIRT 0x08u   /* for future use: EINVAL */
#define SMF_TARGET 0x10u /* `target` is the physical address that the ranges lead to */

/* Flag of smmu_status: records were lost since the one handed out before. */
#define SSF_DROPPED_FAULTS 0x80000000u

/* Results of smmu_safety. */
#define SMMUMAN_SAFETY_ERROR (-1)
#define SMMUMAN_SAFETY_NO 0
#define SMMUMAN_SAFETY_YES 0xffff

/*
 * A set of devices with the ranges granted to them. Belongs to the process that created it. A value
 * that is not a living object of this process is answered with EINVAL.
 */
struct smmu_object;

/*
 * Connects this process with the service. Calls are counted: each needs its smmu_fini. `flags` must
 * be 0. 0, or -1: EINVAL flags; EPERM the service does not admit this user, or the socket does not
 * belong to the service; ENOENT the service does not run; ETIMEDOUT no answer within 5 s; EDQUOT
 * too many connections; EPROTO a service of another generation.
 */
int smmu_init(unsigned flags);

/* Ends what one smmu_init began; the last one destroys all objects. Extra calls do nothing. errno
 * is kept. */
void smmu_fini(void);

/*
 * Whether service and machine are in the configured safety set: SMMUMAN_SAFETY_YES or
 * SMMUMAN_SAFETY_NO; SMMUMAN_SAFETY_ERROR with errno. New programs should look at `smmuctl status`
 * instead.
 */
int smmu_safety(void);

/*
 * A new, empty object; SOCF_* in `flags`. The caller owns it until smmu_obj_destroy.
 * NULL: EINVAL unknown flag; EPERM SOCF_RESERVED_MANUAL without the ability; EDQUOT too many
 * objects.
 */
struct smmu_object* smmu_obj_create(unsigned flags);

/*
 * Blocks the object's devices, waits until nothing of its grants is reachable, and forgets both.
 * NULL is ignored; errno is kept. smmu_obj_destroy_checked of smmu_ext.h tells whether hardware
 * confirmed.
 */
void smmu_obj_destroy(struct smmu_object* sop);

/*
 * Attaches a device (or, with SMMU_PCI_FIELD_ANY, all that match) to an object; it takes the
 * object's grants at once and leaves the caller's object that held it before. With `sop` NULL:
 * takes it out of the caller's object. 0; +1 would mean that the caller must repeat its active
 * mappings (no unit handled here needs it); -1: ENOENT unknown device, or not attached by this
 * caller; EBUSY another client owns it or a device that hardware cannot tell from it; EPERM not
 * allowed to the caller; EINVAL, ERANGE, EIO hardware did not confirm.
 */
int smmu_device_add_generic(struct smmu_object* sop, const union smmu_devid* devid);

/*
 * The memory that firmware or configuration says a device must always reach. Fills `resv` with up
 * to `nresv` (at least 1) regions from index `offset` on. The number filled, 0 when there are no
 * more; (unsigned)-1: EINVAL; ENOENT unknown device.
 */
unsigned smmu_device_report_reserved(const union smmu_devid* devid, unsigned offset,
                                     struct smmu_map_entry* resv, unsigned nresv);

/*
 * Grants ranges to all devices of an object, or removes them when `flags` has no permission. Ranges
 * already granted take the new permissions; removing what is not granted is no error. All or
 * nothing. After a removal returned 0, no device reaches the ranges any more. With SMF_TARGET,
 * entry i leads to `target` plus the lengths of the entries before it; without it `target` is
 * ignored. `pid` must be 0. The entries stay the caller's. 0; -1: EINVAL (object, flags, pid, a
 * length of 0, wrap); EPERM SMF_TARGET without the ability, memory that is not allowed to the
 * caller or protected; ERANGE beyond what the unit can address; EDQUOT; E2BIG more than 1,048,576
 * entries; ENOTSUP memory by address on a unit that the kernel owns; EIO hardware did not confirm:
 * treat the memory as reachable until the device is reset.
 */
int smmu_mapping_add(struct smmu_object* sop, unsigned flags, pid_t pid, unsigned num_entries,
                     const struct smmu_map_entry* entries, _Uint64t target);

/*
 * Asks for one notification when an access is refused; at once if a record waits. It replaces an
 * earlier one; NULL cancels. SIGEV_SIGNAL, SIGEV_THREAD and SIGEV_NONE; others EINVAL. 0 or -1.
 */
int smmu_xfer_notify(const struct sigevent* evp);

/* Takes the oldest record that waits for this process: 1 a record, 0 none, -1 error. */
int smmu_xfer_status(struct smmu_status* ssp);

/* smmu_device_add_generic for one PCI function of segment 0. */
static inline int smmu_device_add_pci(struct smmu_object* sop, unsigned pbus, unsigned pdev,
                                      unsigned pfunc) {
    union smmu_devid devid;
    devid.pci.type = SDT_PCI;
    devid.pci.bus = pbus;
    devid.pci.dev = pdev;
    devid.pci.func = pfunc;
    return smmu_device_add_generic(sop, &devid);
}

/* smmu_device_add_generic for one memory-mapped device. */
static inline int smmu_device_add_mmio(struct smmu_object* sop, _Uint64t phys, unsigned len) {
    union smmu_devid devid;
    devid.mmio.type = SDT_MMIO;
    devid.mmio.length = len;
    devid.mmio.phys = phys;
    return smmu_device_add_generic(sop, &devid);
}

/* The sizes are part of the interface. */
#if defined(__cplusplus)
static_assert(sizeof(struct smmu_devid_pci) == 16, "smmu_devid_pci");
static_assert(sizeof(struct smmu_devid_mmio) == 16, "smmu_devid_mmio");
static_assert(sizeof(union smmu_devid) == 32, "smmu_devid");
static_assert(sizeof(struct smmu_map_entry) == 16, "smmu_map_entry");
static_assert(sizeof(struct smmu_status) == 56, "smmu_status");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct smmu_devid_pci) == 16, "smmu_devid_pci");
_Static_assert(sizeof(struct smmu_devid_mmio) == 16, "smmu_devid_mmio");
_Static_assert(sizeof(union smmu_devid) == 32, "smmu_devid");
_Static_assert(sizeof(struct smmu_map_entry) == 16, "smmu_map_entry");
_Static_assert(sizeof(struct smmu_status) == 56, "smmu_status");
#endif

#ifdef __cplusplus
}
#endif

#endif
