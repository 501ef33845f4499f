// SPDX-License-Identifier: Apache-2.0
// Referee: watches every register write of a VT-d driver and holds it against the data sheet: the
// protocol of the registers and the queue, and what the unit's caches may hold. It forgives nothing
// that silicon does not.
#pragma once

#include <bit>

#include "tests/e2e/judges/vtd_stale.hpp"

namespace smmu::test::vtd {

struct Registers {
    std::uint32_t gsts = 0, fsts = 0;
    std::uint64_t rtaddr = 0, iqa = 0, iqt = 0;
};

struct Write {
    std::uint64_t offset = 0;
    unsigned bytes = 4;
    std::uint64_t value = 0;
};

class Referee {
public:
    static constexpr std::uint32_t translation = 1u << 31;
    static constexpr std::uint32_t set_root = 1u << 30;
    static constexpr std::uint32_t queue = 1u << 26;
    static constexpr std::uint32_t set_interrupts = 1u << 24;

    Referee(Memory memory, Capability capability, Registers now)
        : memory_(memory), capability_(capability), stale_(memory, capability) {
        accept(now);
    }

    const std::vector<std::string>& findings() const { return findings_; }
    std::size_t writes() const { return writes_; }
    std::size_t invalidations() const { return invalidations_; }

    // The test itself wrote registers or tables: this is how things are now. `own`: the tables are
    // the driver's.
    void accept(const Registers& now, bool own = false) {
        registers_ = now;
        root_ = now.rtaddr & page_mask;
        mode_ = mode_of(now.rtaddr);
        tail_ = now.iqt;
        own_ = own;
        awaits_root_ = false;
        snapshot_ = current();
    }

    // The test put the queue into error.
    void accept_queue_error() { registers_.fsts |= 0x10; }

    void after_write(const Write& write, const Registers& now) {
        ++writes_;
        where_ = fmt::format("write {} ({:#x} = {:#x})", writes_, write.offset, write.value);
        // What the driver did to the tables came before this write.
        observe();
        switch (write.offset) {
            case 0x18:
                command(static_cast<std::uint32_t>(write.value), now);
                break;
            case 0x20:
                root_address(write);
                break;
            case 0x88:
                tail(write, now);
                break;
            case 0x90:
                queue_address(write);
                break;
            default:
                other(write);
        }
        const bool was_translating = (registers_.gsts & translation) != 0;
        registers_ = now;
        if (write.offset != 0x18) return;
        // Nothing is cached while translation is off; a new root makes what the old one led to
        // stale.
        if (!was_translating) snapshot_ = {};
        if (was_translating) return observe();
        snapshot_ = current();
        for (const std::string& what : snapshot_.illegal) complain(what);
    }

    // The driver says that something is done: nothing that was removed may be in a cache.
    void at_answer(const std::string& what) {
        where_ = what;
        observe();
        if ((registers_.gsts & translation) == 0) complain("translation is off");
        if (awaits_root_) complain("the root address was written and never latched");
        if (unflushed_root_)
            complain("the caches were not invalidated after the root table was set");
        if (!stale_.empty()) complain("may still be cached: " + stale_.summary());
        if ((registers_.fsts & 0x10) != 0) complain("the queue is in error");
        if (!pending_.empty()) complain("invalidations were not waited for");
    }

private:
    void complain(const std::string& what) {
        findings_.push_back("referee: " + where_ + ": " + what);
    }

    Snapshot current() {
        Snapshot snapshot;
        if ((registers_.gsts & translation) == 0) return snapshot;
        Walker walker(memory_, capability_, snapshot);
        walker.walk_root(root_, mode_);
        return snapshot;
    }
    static Mode mode_of(std::uint64_t rtaddr) {
        return (rtaddr >> 10 & 3) == 1 ? Mode::scalable : Mode::legacy;
    }
    bool is_scalable() const { return mode_ == Mode::scalable; }
    // Invalidations that a new root needs, in this order: contexts, PASIDs, translations.
    int steps_of_root() const { return is_scalable() ? 3 : 2; }
    int step_of(Invalidation::Cache cache) const {
        if (cache == Invalidation::Cache::context) return steps_of_root();
        return cache == Invalidation::Cache::pasid ? 2 : 1;
    }
    void observe() {
        if ((registers_.gsts & translation) == 0) return;
        Snapshot now = current();
        std::vector<std::string> wrong;
        if (own_) wrong = now.illegal;
        stale_.change(snapshot_, now, wrong);
        constexpr std::size_t most = 5;
        for (std::size_t i = 0; i < wrong.size() && i < most; ++i) complain(wrong[i]);
        if (own_ && snapshot_.roots.size() == now.roots.size())
            for (std::size_t bus = 0; bus < now.roots.size(); ++bus)
                if ((snapshot_.roots[bus] & 1) != 0 && snapshot_.roots[bus] != now.roots[bus])
                    unflushed_root_ = steps_of_root();
        snapshot_ = std::move(now);
    }

    void command(std::uint32_t value, const Registers& now) {
        const std::uint32_t keep = registers_.gsts & 0x96ffffffu;
        const std::uint32_t changed = value ^ keep;
        if (std::popcount(changed) != 1)
            complain(fmt::format("changes {:#x}: not one bit", changed));
        if ((keep & ~value & translation) != 0) complain("turns translation off");
        if (awaits_root_ && (changed & set_root) == 0)
            complain("a command between the root address and its latch");
        if ((last_command_ & queue) != 0 && ((registers_.gsts ^ last_value_) & queue) != 0)
            complain("the queue command before was not acknowledged");
        if ((changed & set_root) != 0) {
            const Mode before = mode_;
            root_ = registers_.rtaddr & page_mask;
            mode_ = mode_of(registers_.rtaddr);
            if (mode_ != before && (keep & translation) != 0 && !capability_.mode_may_change())
                complain("the table mode changes while translating");
            if (is_scalable() && (keep & queue) != 0 && !is_wide())
                complain("narrow descriptors in scalable mode");
            awaits_root_ = false;
            own_ = true;
            unflushed_root_ = steps_of_root();
        }
        if ((changed & translation) != 0 && (value & translation) != 0) {
            if (unflushed_root_ != 0)
                complain("translation is enabled before the caches were invalidated");
            if ((registers_.gsts & 0x40000000u) == 0)
                complain("translation is enabled without a root table");
            own_ = true;
        }
        if ((changed & queue) != 0) {
            if ((value & queue) != 0 && registers_.iqt != 0)
                complain("the queue is enabled with a tail");
            if ((value & queue) == 0 && !pending_.empty())
                complain("the queue is disabled with work in it");
            pending_.clear();
            tail_ = now.iqt;
        }
        last_command_ = changed;
        last_value_ = value;
    }
    void root_address(const Write& write) {
        const std::uint64_t mode = capability_.scalable() ? write.value & 0x400 : 0;
        if ((write.value & 0xfff) != mode) complain("the root address has other bits set");
        if (!memory_.holds(write.value & page_mask, 4096))
            complain("the root table is not in memory");
        awaits_root_ = true;
    }
    void queue_address(const Write& write) {
        if ((registers_.gsts & queue) != 0) complain("the queue is moved while it runs");
        const std::uint64_t wide = capability_.scalable() ? write.value & 0x800 : 0;
        if ((write.value & 0xff8) != wide) complain("the queue address has other bits set");
        const std::uint64_t bytes = std::uint64_t{4096} << (write.value & 7);
        if (!memory_.holds(write.value & page_mask, bytes)) complain("the queue is not in memory");
    }
    void other(const Write& write) {
        static const std::set<std::uint64_t> fine = {0x34, 0x38, 0x3c, 0x40, 0x44, 0x9c, 0xa0, 0xa4,
                                                     0xa8, 0xac, 0xb8, 0xe0, 0xe4, 0xe8, 0xec};
        const bool is_fault_record = write.offset >= 0x220 && write.offset < 0x230;
        if (!fine.contains(write.offset) && !is_fault_record)
            complain("a register that nobody writes here");
    }

    void tail(const Write& write, const Registers& now) {
        const std::uint64_t ring = std::uint64_t{4096} << (registers_.iqa & 7);
        const std::uint64_t base = registers_.iqa & page_mask;
        const std::uint64_t bytes = is_wide() ? 32 : 16;
        if (write.value % bytes != 0 || write.value >= ring)
            return complain("the tail is not in the ring");
        if ((registers_.gsts & queue) == 0) {
            tail_ = now.iqt;
            if (write.value != 0) complain("a tail while the queue is off");
            return;
        }
        for (std::uint64_t at = tail_; at != write.value; at = (at + bytes) % ring) {
            if (is_wide() && (memory_.word(base + at + 16) | memory_.word(base + at + 24)) != 0)
                complain("a wide descriptor with more in it");
            descriptor(memory_.word(base + at), memory_.word(base + at + 8));
        }
        tail_ = write.value;
        if ((now.fsts & ~registers_.fsts & 0x10) != 0)
            complain("the unit found an error in the queue");
    }

    bool is_wide() const { return (registers_.iqa & 0x800) != 0; }
    void descriptor(std::uint64_t low, std::uint64_t high) {
        const auto bad = [&](const char* why) {
            complain(fmt::format("descriptor {:#x} {:#x}: {}", low, high, why));
        };
        const auto scope = static_cast<Invalidation::Scope>(low >> 4 & 3);
        const auto domain = static_cast<std::uint16_t>(low >> 16);
        switch ((low & 0xf) | (low >> 5 & 0x70)) {
            case 1: {
                if ((low & ~0x0003ffffffff003full) != 0 || high != 0) bad("reserved bits");
                if (scope == Invalidation::Scope{}) return bad("no granularity");
                constexpr std::uint32_t masks[] = {0, 4, 6, 7};
                pending_.push_back({Invalidation::Cache::context, scope, domain,
                                    static_cast<std::uint32_t>(low >> 32 & 0xffff),
                                    masks[low >> 48 & 3]});
                pending_.back().is_scalable = is_scalable();
                return;
            }
            case 2:
                return translation_descriptor(low, high, scope, domain, bad);
            case 3:
                return capability_.device_tlb() ? void() : bad("there is no device TLB");
            case 4:
                return (low & ~0x0000fffff800001full) != 0 || high != 0 ? bad("reserved bits")
                                                                        : void();
            case 5:
                return wait_descriptor(low, high, bad);
            case 6:
                return is_scalable() ? first_stage_descriptor(low, high, domain, bad)
                                     : bad("a type that legacy mode does not have");
            case 7:
                return is_scalable() ? pasid_descriptor(low, high, domain, bad)
                                     : bad("a type that legacy mode does not have");
            default:
                return bad("a type that legacy mode does not have");
        }
    }
    // Both name PASID 0, the only one in use.
    template <class Bad>
    void pasid_descriptor(std::uint64_t low, std::uint64_t high, std::uint16_t domain,
                          const Bad& bad) {
        const bool is_global = (low >> 4 & 3) == 3;
        if ((low & ~0xffff003full) != 0 || high != 0 || (low >> 4 & 3) == 2) bad("reserved bits");
        pending_.push_back({.cache = Invalidation::Cache::pasid,
                            .scope = is_global ? Invalidation::Scope::global
                                               : Invalidation::Scope::domain,
                            .domain = domain});
    }
    template <class Bad>
    void first_stage_descriptor(std::uint64_t low, std::uint64_t high, std::uint16_t domain,
                                const Bad& bad) {
        const bool is_selective = (low >> 4 & 3) == 3;
        if ((low & ~0xffff003full) != 0 || (!is_selective && (high != 0 || (low >> 4 & 3) != 2)))
            bad("reserved bits");
        translations(high, is_selective ? Invalidation::Scope::selective
                                        : Invalidation::Scope::domain,
                     domain, true, bad);
    }
    template <class Bad>
    void translation_descriptor(std::uint64_t low, std::uint64_t high, Invalidation::Scope scope,
                                std::uint16_t domain, const Bad& bad) {
        const bool is_selective = scope == Invalidation::Scope::selective;
        if (scope == Invalidation::Scope{}) return bad("no granularity");
        if ((low & ~0xffff00ffull) != 0 || (high & 0xf80) != 0 || (!is_selective && high != 0))
            bad("reserved bits");
        if (capability_.drains_writes() != ((low >> 6 & 1) != 0)) bad("the drain of writes");
        if (capability_.drains_reads() != ((low >> 7 & 1) != 0)) bad("the drain of reads");
        translations(high, scope, domain, false, bad);
    }
    template <class Bad>
    void translations(std::uint64_t high, Invalidation::Scope scope, std::uint16_t domain,
                      bool first_stage, const Bad& bad) {
        const bool is_selective = scope == Invalidation::Scope::selective;
        const std::uint64_t mask = high & 0x3f;
        const std::uint64_t first = high & ~std::uint64_t{0xfff};
        const std::uint64_t last = first + ((std::uint64_t{1} << (12 + (mask & 31))) - 1);
        if (is_selective && (!capability_.page_selective() || mask > capability_.largest_mask() ||
                             (first & (last - first)) != 0))
            bad("an address mask that the unit does not have, or a misaligned address");
        pending_.push_back({Invalidation::Cache::translation, scope, domain, 0, 0, first, last,
                            (high >> 6 & 1) != 0, first_stage});
    }
    template <class Bad>
    void wait_descriptor(std::uint64_t low, std::uint64_t high, const Bad& bad) {
        if ((low & 0xffffff80u) != 0 || (high & 3) != 0) bad("reserved bits");
        if ((low & 0xb0) != 0x20) bad("a wait that does not write its status, or does more");
        if (!memory_.holds(high & ~std::uint64_t{3}, 4)) bad("the status word is not in memory");
        for (const Invalidation& done : pending_) complete(done);
        pending_.clear();
    }
    void complete(const Invalidation& what) {
        ++invalidations_;
        stale_.apply(what, snapshot_);
        if (what.scope != Invalidation::Scope::global) return;
        if (unflushed_root_ == step_of(what.cache)) --unflushed_root_;
    }

    Memory memory_;
    Capability capability_;
    Stale stale_;
    Snapshot snapshot_;
    Registers registers_;
    std::vector<Invalidation> pending_;  // asked for, not waited for
    std::vector<std::string> findings_;
    std::string where_;
    std::uint64_t root_ = 0;  // as latched
    Mode mode_ = Mode::legacy;
    std::uint64_t tail_ = 0;
    std::uint32_t last_command_ = 0, last_value_ = 0;
    int unflushed_root_ = 0;  // steps that are missing
    bool awaits_root_ = false;
    bool own_ = false;
    std::size_t writes_ = 0, invalidations_ = 0;
};

}  // namespace smmu::test::vtd
