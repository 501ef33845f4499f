// SPDX-License-Identifier: Apache-2.0
// Probe: fires DMA with edu devices at watched words of memory, both directions, and judges by the
// bytes whether each access was let through as it should have been.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>

#include "tests/board/board_fixture.hpp"

namespace smmu::test {

// What must become of an access.
enum class Expect : std::uint8_t {
    refused,  // bytes never move
    passes,   // bytes always move
    closing,  // a change is under way: once refused, refused for good
    opening,  // a change is under way: once passed, passes for good
    either,   // a change during which both are right
};

struct Access {
    Expect expect = Expect::refused;
    bool turned = false;  // closing: was refused; opening: has passed
};

// One word of memory as one device sees it. `phys` is where the bytes are if the access passes.
struct Watch {
    Function device;
    Iova iova;
    PhysAddr phys;
    Access read;
    Access write;
};

class Probe {
public:
    Probe(link::Client& tap, const Ram& ram, std::vector<std::string>& findings, PhysAddr ram_at)
        : tap_(tap), ram_(ram), findings_(findings), staging_(ram_at + 0x700000) {}

    // Before anything translates: loads the device with the word that it will write.
    void enlist(Function device) {
        auto& engine = engines_[device.stream()];
        engine.edu = std::make_unique<Edu>(tap_, device);
        engine.edu->bus_master(true);
        ram_.store(staging_, poison);
        engine.edu->dma_in({staging_.value}, word_bytes, poison_offset);
    }
    std::size_t watch(Function device, std::uint64_t address, Expect read, Expect write) {
        watches_.push_back({device, {address}, {address}, {read, false}, {write, false}});
        return watches_.size() - 1;
    }
    void expect(std::size_t watch, Expect read, Expect write) {
        watches_[watch].read = {read, false};
        watches_[watch].write = {write, false};
    }
    void expect(std::size_t watch, Expect both) { expect(watch, both, both); }
    Watch& at(std::size_t watch) { return watches_[watch]; }
    std::size_t fired() const { return fired_; }

    void fire(const std::string& when) {
        for (Watch& watch : watches_) {
            Engine& engine = engines_.at(watch.device.stream());
            engine.edu->bus_master(
                true);  // the service takes it away; containment must not hang on it
            fire_write(engine, watch, when);
            fire_read(engine, watch, when);
        }
    }

    // What a refused read brought in is seen last, when the test has opened the unit itself.
    void search_devices() {
        for (auto& [stream, engine] : engines_) {
            engine.edu->bus_master(true);
            ram_.fill(staging_, Edu::memory_bytes, 0);
            engine.edu->dma_out({staging_.value}, Edu::memory_bytes);
            for (const auto& [slot, what] : engine.slots)
                if (ram_.load<std::uint64_t>(staging_ + slot) == secret(slot)) complain(what);
            engine.slots.clear();
        }
    }

private:
    static constexpr std::uint64_t word_bytes = 8;
    static constexpr std::uint64_t poison = 0x1bad1bad1bad1badull;
    static constexpr std::uint64_t poison_offset = Edu::memory_bytes - word_bytes;
    static constexpr std::uint64_t first_slot = 16;  // below: where allowed reads go

    struct Engine {
        std::unique_ptr<Edu> edu;
        std::uint64_t next_slot = first_slot;
        std::map<std::uint64_t, std::string>
            slots;  // refused reads whose proof is still in the device
    };
    static std::uint64_t secret(std::uint64_t slot) { return 0x5ec3e75ec3e70000ull | slot; }

    void complain(const std::string& what) { findings_.push_back("probe: " + what); }
    void judge(Access& access, bool passed, const std::string& what) {
        const bool is_wrong = (access.expect == Expect::refused && passed) ||
                              (access.expect == Expect::passes && !passed) ||
                              (access.expect == Expect::closing && access.turned && passed) ||
                              (access.expect == Expect::opening && access.turned && !passed);
        access.turned |= access.expect == Expect::closing ? !passed : passed;
        if (is_wrong) complain(what + (passed ? " passed" : " was refused"));
    }
    static std::string describe(const char* verb, const Watch& watch, const std::string& when) {
        return fmt::format("{}: {:02x}:{:02x} {} {:#x}", when, watch.device.bus,
                           watch.device.device, verb, watch.iova.value);
    }

    void fire_write(Engine& engine, Watch& watch, const std::string& when) {
        const std::uint64_t before = 0x600d000000000000ull + ++fired_;
        ram_.store(watch.phys, before);
        engine.edu->dma_out(watch.iova, word_bytes, poison_offset);
        const auto after = ram_.load<std::uint64_t>(watch.phys);
        judge(watch.write, after != before, describe("write", watch, when));
        if (after != before && after != poison) complain(describe("write (garbage)", watch, when));
    }

    // A device shows what it read only by writing it: to a word that it may write, or at the very
    // end.
    void fire_read(Engine& engine, Watch& watch, const std::string& when) {
        ++fired_;
        const std::string what = describe("read", watch, when);
        if (const Watch* const outlet = outlet_of(watch)) {
            const std::uint64_t nonce = 0xfeed000000000000ull + fired_;
            ram_.store(watch.phys, nonce);
            engine.edu->dma_in(watch.iova, word_bytes, 0);
            ram_.store<std::uint64_t>(outlet->phys, 0);
            engine.edu->dma_out(outlet->iova, word_bytes, 0);
            judge(watch.read, ram_.load<std::uint64_t>(outlet->phys) == nonce, what);
        } else if (watch.read.expect == Expect::refused && engine.next_slot < poison_offset) {
            ram_.store(watch.phys, secret(engine.next_slot));
            engine.edu->dma_in(watch.iova, word_bytes, engine.next_slot);
            engine.slots[engine.next_slot] = what + " passed";
            engine.next_slot += word_bytes;
        }
    }
    const Watch* outlet_of(const Watch& watch) const {
        for (const Watch& other : watches_)
            if (other.device.stream() == watch.device.stream() &&
                other.write.expect == Expect::passes)
                return &other;
        return nullptr;
    }

    link::Client& tap_;
    const Ram& ram_;
    std::vector<std::string>& findings_;
    const PhysAddr staging_;
    std::map<StreamId, Engine> engines_;
    std::vector<Watch> watches_;
    std::size_t fired_ = 0;
};

}  // namespace smmu::test
