/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smmu_ext.h - what libsmmu offers beyond smmu.h: results that smmu.h has no place for, memory
 * handed over by file descriptor, complete records of refused accesses, PCI segments, and the
 * sentence behind errno. The rules at the top of smmu.h hold here too.
 */
#ifndef SMMU_EXT_H_INCLUDED
#define SMMU_EXT_H_INCLUDED

#include <smmu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* smmu_obj_destroy with its result. -1: EINVAL not an object; EIO hardware did not confirm (the
 * object is gone, treat its memory as reachable until its devices are reset). NULL: 0. */
int smmu_obj_destroy_checked(struct smmu_object* sop);

/*
 * The value of smmu_devid_pci.bus for a bus (0..255, or SMMU_PCI_FIELD_ANY) of a PCI segment
 * (0..65535): bits 0-7 bus, bits 8-23 segment, bit 24 any bus of that segment. Records use the same
 * form.
 */
static inline unsigned smmu_pci_segment_bus(unsigned segment, unsigned bus) {
    if (bus == SMMU_PCI_FIELD_ANY)
        return segment == 0 ? SMMU_PCI_FIELD_ANY : (1u << 24 | segment << 8);
    return segment << 8 | bus;
}

/*
 * Grants `len` bytes of a file from `offset` on, at device addresses from `iova` on; SMF_READ,
 * SMF_WRITE, SMF_EXEC in `flags`. The file is a memfd sealed with F_SEAL_SHRINK and F_SEAL_GROW (on
 * huge pages where a unit needs physical addresses), or on an emulated board its memory. The
 * service keeps the memory in place until no device reaches it any more, also when this process
 * dies: the safe way to grant a process's own memory. The descriptor stays the caller's and may be
 * closed at once. Missing huge pages are made first, all of the file's, by the caller. Remove with
 * smmu_mapping_add(SMF_NONE). Errors as smmu_mapping_add, and EBADF; EINVAL a file of another kind,
 * not sealed or with holes; EBADFD a kernel that pins no huge pages; E2BIG more than 16 GiB.
 */
int smmu_mapping_add_fd(struct smmu_object* sop, unsigned flags, int fd, _Uint64t offset,
                        _Uint64t len, _Uint64t iova);

/* Why an access was refused: the first that fits. */
enum smmu_cause {
    SMMU_CAUSE_UNIT_CONFIGURATION, /* the service's own tables: its fault */
    SMMU_CAUSE_UNKNOWN_STREAM,     /* no known device has this stream */
    SMMU_CAUSE_NOT_ATTACHED,       /* the device has no owner */
    SMMU_CAUSE_PROTECTED,          /* memory that no grant may reach */
    SMMU_CAUSE_PERMISSION,         /* granted, but not for this access */
    SMMU_CAUSE_IN_CHANGE,     /* granted before and after a change that was being carried out */
    SMMU_CAUSE_AFTER_REMOVAL, /* granted until a short while ago */
    SMMU_CAUSE_OVERRUN,       /* within a granule of a grant */
    SMMU_CAUSE_TRUNCATED,     /* the low half of a granted address */
    SMMU_CAUSE_NEVER_GRANTED,
    SMMU_CAUSE_DEVICE_GONE, /* no refusal: the device has vanished and left its object */
    SMMU_CAUSE_COUNT /* not a cause */
};

/* "permission", "after-removal" and so on; "unknown" for a value that is none of them. Static text.
 */
const char* smmu_cause_name(unsigned cause);

/* Bits of smmu_event.flags besides SSF_DROPPED_FAULTS. */
#define SMMU_EVENT_ADDRESS_KNOWN 0x1u /* hardware told the address */
#define SMMU_EVENT_STREAM_KNOWN 0x4u  /* hardware told the stream; else `stream` is 0 */

/* A refused access with everything known about it. */
struct smmu_event {
    _Uint32t size;           /* bytes of this structure; see smmu_event_read */
    _Uint32t flags;          /* SMMU_EVENT_*, SSF_DROPPED_FAULTS */
    _Uint64t sequence;       /* 1, 2, ... over the life of the service */
    _Uint64t time_ns;        /* CLOCK_MONOTONIC */
    _Uint64t count;          /* repeats that this record stands for, at least 1 */
    _Uint64t address;        /* device address */
    _Uint64t age_ns;         /* SMMU_CAUSE_AFTER_REMOVAL: time since the removal */
    _Uint64t hardware[4];    /* the words that hardware recorded */
    union smmu_devid device; /* type SDT_NUM_TYPES when no device is known */
    _Uint32t stream;         /* what the unit saw: PCI requester id, StreamID, micro-TLB */
    _Uint32t access;         /* refused SMF_READ, SMF_WRITE, SMF_EXEC */
    _Uint32t cause;          /* enum smmu_cause */
    _Uint32t stage;          /* translation stage, 0 when hardware does not say */
    _Uint32t owner_pid;      /* owner of the device when it happened; 0: none */
    _Uint32t owner_uid;
    _Uint32t owner_object; /* number of the object in `smmuctl objects` */
    _Uint32t reserved;     /* 0 */
    char unit[32];         /* name of the unit that refused, or of its part whose stream it is (R-Car), ends with a zero */
};

/*
 * Takes up to `count` records, oldest first. The caller sets events[0].size to sizeof(struct
 * smmu_event), which is the distance of the elements; each record's `size` then says how many bytes
 * of it are known. The number of records (0: none wait), or -1: EINVAL.
 */
int smmu_event_read(struct smmu_event* events, unsigned count);

/*
 * A descriptor that poll() finds readable while records wait. smmu_event_read and smmu_xfer_status
 * make it quiet; nothing else may be done with it. It belongs to the library, which closes it with
 * the last smmu_fini or when the connection ends (poll() then also says so). -1: errno.
 */
int smmu_event_fd(void);

/*
 * For a device behind a unit that the kernel owns: its VFIO device descriptor, which the caller
 * owns. -1: ENOTSUP on every other unit; ENOENT; EPERM not attached by the caller.
 */
int smmu_device_fd(const union smmu_devid* devid);

/* What the last failed call of this thread met: where, what, and what to do. Valid until the
 * thread's next call. */
const char* smmu_strerror_last(void);

#if defined(__cplusplus)
static_assert(sizeof(struct smmu_event) == 176, "smmu_event");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct smmu_event) == 176, "smmu_event");
#endif

#ifdef __cplusplus
}
#endif

#endif
