// SPDX-License-Identifier: Apache-2.0
// IommuUnit and AddressSpace: what containment asks of any IOMMU. Virtual calls happen at this level only.
//
// After take_over every stream of the unit refuses except those that were given a space. Every call that
// removes something returns only when nothing removed is reachable, caches included. EIO from any call means
// that the hardware did not confirm: the unit was hard-stopped and state() is `failed`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "memory/frame.hpp"
#include "paging/change.hpp"
#include "paging/target.hpp"

namespace smmu::memory {
class Invalidator;
}

namespace smmu::units {

using paging::Budget;
using paging::Change;
using paging::Plan;
using paging::Progress;

struct Capabilities {
    unsigned granule_log2 = 12;        // smallest leaf
    unsigned input_bits = 0;           // device addresses below 2^input_bits
    unsigned output_bits = 0;          // physical addresses below 2^output_bits
    std::uint64_t leaf_sizes = 0;      // bit n: leaves of 2^n bytes
    bool coherent = false;             // walks snoop the CPU's caches
    bool write_implies_read = false;   // write-only cannot be said
    bool execute_permission = false;   // says execute apart from read; else a fetch is a read
    bool register_memory = false;      // says of what is mapped that it is registers (Access::registers)
    bool drains = false;               // an invalidation waits for translated DMA in flight
    bool interrupt_remapping = false;  // has it (whether it is on is in the report)
    std::optional<IovaRange> never_grantable;  // device addresses that are never translated (VT-d: FEExxxxx)
};

// What hardware said of one refused access, decoded; whose it was is containment's to find out.
struct Refusal {
    enum class Reason : std::uint8_t {
        unknown_stream,  // no descriptor for this stream
        not_mapped,      // no translation for the address
        permission,      // translation there, this access not allowed
        configuration,   // a descriptor or table of ours is wrong: our fault
        other            // see the raw words
    };
    StreamId stream{};
    bool stream_known = true;  // false: hardware named the tables only; `stream` is one of those that lead to them
    Iova address{};
    bool address_known = true;
    Access access = Access::none;
    Reason reason = Reason::other;
    std::uint8_t stage = 0;  // 1 or 2; 0 where not said
    std::array<std::uint64_t, 4> raw{};
    const char* hardware_text = "";  // the manual's words for the reason; static storage
};

class RefusalSink {
public:
    virtual ~RefusalSink() = default;
    virtual void refused(const Refusal& refusal) noexcept = 0;
};

struct Drained {
    std::uint64_t seen = 0;  // refusals handed to the sink
    std::uint64_t lost = 0;  // lower bound of those that the hardware could not keep
    bool more = false;       // stopped at the bound of one call; call again
};

class AddressSpace {
public:
    virtual ~AddressSpace() = default;

    // Carry out one change that needs neither frames nor steps, if it is such a one: what was removed is not reachable when
    // this returns, caches included. False: nothing was done; prepare it. EIO as above.
    virtual Result<bool> map_in_place(const paging::Map& map) noexcept = 0;
    virtual Result<bool> unmap_in_place(IovaRange range) noexcept = 0;

    // See paging::PageTable::prepare for the errors. Nothing changes until commit.
    virtual Result<Plan> prepare(std::span<const Change> changes) = 0;
    // Carries the plan out. EIO as above; the plan is then spent all the same.
    virtual Result<Progress> commit(Plan& plan, Budget& budget) noexcept = 0;
    virtual void abandon(Plan&& plan) noexcept = 0;
    virtual paging::Target translate(Iova address) const noexcept = 0;
    virtual std::uint64_t table_frames() const noexcept = 0;
};

struct Assignment {
    StreamId stream;
    AddressSpace* space;  // nullptr: blocked, and refusals recorded
};

enum class Found { off, pass_through, foreign, own };  // what take_over met

struct TakeOver {
    Found found = Found::off;
    Nanoseconds pause{};  // DMA of assigned streams was refused for so long (0: never)
    Nanoseconds took{};
};

enum class Recording { on, muted };
enum class UnitState { untouched, containing, failed };

// What an orderly stop leaves: streams given here keep their space, all others refuse. Never open.
using Kept = std::span<const Assignment>;

struct UnitReport {
    std::string kind;          // "vtd"
    std::string version;       // as the hardware says it
    std::string mode;          // "legacy, second stage, 48-bit, 4 levels"
    UnitState state = UnitState::untouched;
    bool stop_confirmed = true;  // of a failed unit: the hardware confirmed that everything refuses
    Found found = Found::off;  // before take_over: as it looks now; after: what it met
    bool interrupts_remapped = false;
    std::uint64_t spaces = 0, spaces_possible = 0;
    std::uint64_t commands = 0, flushes = 0;
    std::vector<std::pair<std::string, std::uint64_t>> registers;  // names of the manual, for a person
};

class IommuUnit {
public:
    virtual ~IommuUnit() = default;

    virtual const Capabilities& capabilities() const noexcept = 0;
    virtual UnitState state() const noexcept = 0;

    // Spaces may be made (and filled) before the unit is taken over. ENOSPC: the unit has no tag left for one more.
    // Frames are taken on `account`, which outlives the unit.
    virtual Result<std::unique_ptr<AddressSpace>> create_space(memory::Account& account) = 0;
    // Ends a space no stream is attached to: flush, then its frames and tag are free.
    virtual Result<void> retire(std::unique_ptr<AddressSpace> space) noexcept = 0;

    // From whatever state was found to: `assignments` say which streams are known and where they go; every other
    // stream refuses. Everything it needs is allocated before the first register write. On failure (error) the
    // unit was left as found, or is failed.
    virtual Result<TakeOver> take_over(std::span<const Assignment> assignments) = 0;

    // Before a stream gets an owner: whoever else could drive its devices has let go of them, and nobody can take them in
    // between. EBUSY, EPERM, ENOENT say who, or what is missing. Until let_go, which follows when nobody has the stream.
    // Kinds that have registers in their hands have nothing to ask for.
    enum class Owner { another, same };  // than the last one
    virtual Result<void> acquire(StreamId, Owner) { return {}; }
    virtual void let_go(StreamId) noexcept {}
    // A descriptor by which the owner of an attached stream drives its device. ENOTSUP where drivers have its registers.
    virtual Result<UniqueFd> device_descriptor(StreamId) {
        return fail(ENOTSUP, "only devices behind a unit that the kernel keeps have a descriptor; use their registers");
    }

    // Both cannot fail but for hardware for a stream that was known at take-over and acquired; for another one ENOMEM/EINVAL too.
    virtual Result<void> attach(StreamId stream, AddressSpace& space) noexcept = 0;
    virtual Result<void> block(StreamId stream, Recording recording) noexcept = 0;
    // Whether an attached stream's refusals are recorded; its granted DMA goes on either way.
    virtual Result<void> record(StreamId stream, Recording recording) noexcept = 0;

    // Everything refuses, by registers alone. What it cannot promise is in state().
    virtual void hard_stop() noexcept = 0;
    // The control registers and table pointers still say what was written; else the sentence says what changed.
    virtual Result<void> recheck() noexcept = 0;
    virtual Drained drain(RefusalSink& sink) noexcept = 0;
    // Off, as if it had never been taken over: its devices reach everything. EIO: it did not say so, and was hard-stopped.
    virtual Result<void> turn_off() noexcept = 0;
    // The state an orderly stop leaves behind.
    virtual Result<void> leave(Kept kept) noexcept = 0;
    virtual UnitReport report() const = 0;

    // Everything this unit caches of table memory; nullptr for kinds that hold none. take_over leaves nothing of an earlier
    // instance in it, but the arena's earlier generations may be retired only when that is true of every unit: flush a
    // Gather of everything here, on the unit taken over last, for the proof.
    virtual memory::Invalidator* caches() noexcept { return nullptr; }
};

}  // namespace smmu::units
