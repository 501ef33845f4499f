// SPDX-License-Identifier: Apache-2.0
// Bench: a board, the real service on it, and the judges at the unit's registers.
#pragma once

#include <smmu.h>
#include <smmu_ext.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "tests/e2e/judges/service_process.hpp"
#include "tests/e2e/judges/observer.hpp"
#include "tests/e2e/judges/probe.hpp"
#include "tests/e2e/judges/vtd_referee.hpp"

namespace smmu::test {

using Words = std::vector<std::string>;

// Boards with VT-d in every mode that the judges know, with and without caching mode.
inline auto vtd_boards() {
    return testing::Values("q35-vtd", "q35-vtd-cm", "q35-vtd-scalable", "q35-vtd-scalable-cm",
                           "q35-vtd-first-stage", "q35-vtd-first-stage-cm");
}
inline std::string name_of_board(const testing::TestParamInfo<const char*>& tested) {
    std::string name = tested.param;
    std::ranges::replace(name, '-', '_');
    return name;
}
inline auto smmu_boards() { return testing::Values("virt-smmuv3", "virt-smmuv3-s1", "virt-smmuv3-s2"); }
inline bool has_first_stage_only(const std::string& board) {
    return board.find("first-stage") != std::string::npos || board.ends_with("-s1");
}

// Memory that the scenarios use, from the start of RAM. The upper half of RAM is the service's.
namespace place {
inline constexpr std::uint64_t startup = 0x2000000;  // configuration lets edu_a use it
inline constexpr std::uint64_t startup_bytes = 0x10000;
inline constexpr std::uint64_t granted = 0x3000000;
inline constexpr std::uint64_t secret = 0x4000000;
inline constexpr std::uint64_t foreign_tables = 0x1000000;
}  // namespace place

class Bench {
public:
    static Words startup_words(std::uint64_t ram = 0) {
        return {"allow", "mine", fmt::format("{:#x},{:#x}", ram + place::startup, place::startup_bytes), "device",
                "0000:00:03.0", "mine"};
    }

    explicit Bench(const std::string& board_name = "q35-vtd", const Words& more_words = {}) {
        auto started = BoardProcess::start(board_name);
        SMMU_ASSERT(started);
        board_ = std::move(*started);
        auto connected = board_->connect();
        SMMU_ASSERT(connected);
        tap_ = std::move(*connected);
        auto mapped = Ram::map(*tap_);
        SMMU_ASSERT(mapped);
        ram_ = std::make_unique<Ram>(std::move(*mapped));
        ram_at_ = tap_->machine().ram.front().base;
        is_arm_ = ram_at_ == virt::ram;
        SMMU_ASSERT(tap_->tap(unit_registers()));
        // In stage 2 a stream changes its tables by way of one in which nothing is mapped.
        moves_refuse_ = is_arm_ && !has_first_stage_only(board_name);
        Words words = startup_words(ram_at_.value);
        words.insert(words.end(), more_words.begin(), more_words.end());
        service_ = std::make_unique<ServiceProcess>(*board_, words, is_arm_ ? "armsmmuv3" : "vtd");
        probe_ = std::make_unique<Probe>(*tap_, *ram_, findings_, ram_at_);
        probe_->enlist(q35::edu_a);
        probe_->enlist(q35::edu_b);
        watch_usual();
        if (is_arm_) return;
        referee_ = std::make_unique<vtd::Referee>(vtd::Memory{ram_->at({0}, q35::ram_bytes)},
                                                  vtd::Capability{read64(0x08), read64(0x10)},
                                                  registers());
    }
    ~Bench() {
        service_->kill_now();
        smmu_fini();
    }

    // From here on the judges see every write.
    void begin() {
        observer_ =
            std::make_unique<Observer>(*tap_, [this](const link::Stop& stop) { at_stop(stop); });
    }
    // Starts the service and waits until it contains; then nothing forbidden passes any more.
    bool start(const std::string& what = "start") {
        phase_ = what;
        if (!service_->start()) {
            findings_.push_back("the service did not start: " + service_->said());
            return false;
        }
        settle(what);
        return true;
    }
    // All that is forbidden or granted for good is so now; what is stale in a cache is a finding.
    void settle(const std::string& what) {
        observer_->between_stops([&] {
            probe_->expect(startup_first, Expect::passes);
            probe_->expect(startup_last, Expect::passes);
            forbid_usual();
            probe_->fire("after " + what);
            if (referee_) referee_->at_answer(what);
        });
    }
    void between_stops(std::function<void()> work) { observer_->between_stops(std::move(work)); }

    // The client's part: each call is judged when it has returned.
    bool connect_client() { return smmu_init(0) == 0; }
    template <class Call>
    int call(const std::string& what, Call&& work) {
        set_phase(what);
        const int result = work();
        const int kept = errno;
        if (judges_answers_ && referee_) between_stops([&] { referee_->at_answer(what + " has returned"); });
        errno = kept;
        return result;
    }
    int map(smmu_object* object, std::uint64_t first, std::uint64_t bytes, unsigned flags) {
        smmu_map_entry entry{};
        entry.phys = ram_at_.value + first;
        entry.len = bytes;
        return call(fmt::format("{} {:#x}+{:#x} flags {}", (flags & 7) != 0 ? "map" : "unmap",
                                first, bytes, flags),
                    [&] { return smmu_mapping_add(object, flags, 0, 1, &entry, 0); });
    }
    int attach(smmu_object* object, unsigned device) {
        return call(fmt::format("attach {} to {}", device, fmt::ptr(object)),
                    [&] { return smmu_device_add_pci(object, 0, device, 0); });
    }

    std::size_t watch(Function device, std::uint64_t address, Expect read, Expect write) {
        std::size_t index = 0;
        in_order([&] { index = probe_->watch(device, ram_at_.value + address, read, write); });
        return index;
    }
    std::size_t watch(Function device, std::uint64_t address, Expect both) {
        return watch(device, address, both, both);
    }
    void expect(std::size_t watch, Expect read, Expect write) {
        in_order([&] { probe_->expect(watch, read, write); });
    }
    void expect(std::size_t watch, Expect both) { expect(watch, both, both); }
    void fire(const std::string& when) {
        between_stops([&] { probe_->fire(when); });
    }

    // Everything the judges have against the service; empty: nothing. The devices are searched with
    // the unit off.
    std::string verdict(bool search = true) {
        service_->kill_now();  // first: a client that ends in order gives back what the judges
                               // still expect
        observer_.reset();
        smmu_fini();
        if (search) {
            open_unit();
            probe_->search_devices();
        }
        std::string text;
        std::size_t count = 0;
        constexpr std::size_t most = 12;
        for (const std::vector<std::string>& list : {findings_, referee_ ? referee_->findings() : std::vector<std::string>()})
            for (const std::string& finding : list)
                if (++count <= most) text += "\n  " + finding;
        if (count > most) text += fmt::format("\n  and {} more", count - most);
        if (count != 0)
            text += "\nservice: " + service_->said() + "\nboard: " + contents(board_->log());
        return text;
    }

    // Kills the service right after its write number `count` from now on; 0: never. Reading out
    // refusals is not counted, here and in stops().
    void die_at(std::size_t count) { die_in_ = count; }
    bool has_died() const { return has_died_; }
    std::size_t stops() const { return stops_; }
    void set_phase(const std::string& what) {
        in_order([&] { phase_ = what; });
    }
    // Forbidden accesses are open until translation is enabled, and never again.
    void set_from_off(bool yes) { from_off_ = yes; }
    // Of a service that dies on the way, answers mean nothing.
    void set_judging_answers(bool yes) { judges_answers_ = yes; }
    void set_probing(bool yes) { probing_ = yes; }

    link::Client& tap() { return *tap_; }
    const Ram& ram() const { return *ram_; }
    ServiceProcess& service() { return *service_; }
    vtd::Referee& referee() { return *referee_; }
    Probe& probe() { return *probe_; }
    const BoardProcess& board() const { return *board_; }

    std::uint32_t read32(std::uint64_t offset) {
        return static_cast<std::uint32_t>(tap_->read(unit_registers().first + offset, 4));
    }
    std::uint64_t read64(std::uint64_t offset) {
        return tap_->read(unit_registers().first + offset, 8);
    }
    void write32(std::uint64_t offset, std::uint32_t value) {
        tap_->write(unit_registers().first + offset, 4, value);
    }
    void write64(std::uint64_t offset, std::uint64_t value) {
        tap_->write(unit_registers().first + offset, 8, value);
    }
    PhysRange unit_registers() const { return is_arm_ ? virt::smmu_registers : q35::vtd_registers; }
    // Whether a device that changes its tables is refused for a moment, also what it may reach before and after.
    bool moves_refuse() const { return moves_refuse_; }
    // What becomes of the startup mapping while its device moves.
    void expect_startup(Expect what) {
        expect(startup_first, what);
        expect(startup_last, what);
    }
    // Off, and everything passes: the test's own doing.
    void open_unit() {
        if (!is_arm_) return write32(0x18, read32(0x1c) & 0x16ffffffu);
        write32(0x44, 1u << 31);  // GBPA: bypass
        write32(0x20, 0);         // CR0
    }

    vtd::Registers registers() {
        return {read32(0x1c), read32(0x34), read64(0x20), read64(0x90), read64(0x88)};
    }

    std::size_t startup_first = 0, startup_last = 0;
    std::vector<std::size_t> forbidden;

private:
    void watch_usual() {
        const std::uint64_t first = ram_at_.value + place::startup;
        startup_first = probe_->watch(q35::edu_a, first, Expect::passes, Expect::passes);
        startup_last = probe_->watch(q35::edu_a, first + place::startup_bytes - 8, Expect::passes, Expect::passes);
        const auto forbid = [&](Function device, std::uint64_t iova, std::uint64_t phys) {
            forbidden.push_back(probe_->watch(device, ram_at_.value + iova, Expect::closing, Expect::closing));
            probe_->at(forbidden.back()).phys = ram_at_ + phys;
        };
        forbid(q35::edu_a, place::startup - 8, place::startup - 8);
        forbid(q35::edu_a, place::startup + place::startup_bytes,
               place::startup + place::startup_bytes);
        forbid(q35::edu_a, place::secret, place::secret);
        forbid(q35::edu_b, place::startup, place::startup);
        forbid(q35::edu_b, place::secret, place::secret);
    }
    bool is_translating() {
        return is_arm_ ? (read32(0x24) & 1) != 0 : (read32(0x1c) & vtd::Referee::translation) != 0;
    }
    void forbid_usual() {
        for (const std::size_t index : forbidden) probe_->expect(index, Expect::refused);
    }
    void in_order(const std::function<void()>& work) {
        if (observer_)
            observer_->between_stops(work);
        else
            work();
    }

    void at_stop(const link::Stop& stop) {
        const std::uint64_t offset = stop.address - unit_registers().first;
        // Reading out refusals opens nothing, comes at any time, and a refusal for each would never
        // end.
        const bool reads_out = is_arm_ ? offset == 0x100ac || offset == 0x64
                                       : offset == 0x34 || (offset >= 0x220 && offset < 0x230);
        if (!reads_out) ++stops_;
        if (!reads_out && die_in_ != 0 && --die_in_ == 0) {
            has_died_ = true;
            service_->kill_now();
        }
        if (std::getenv("SMMU_TEST_TRACE") != nullptr)
            fmt::print("{} write {}: {:#x} = {:#x}\n", phase_, stops_.load(), offset, stop.value);
        if (referee_) referee_->after_write({offset, stop.bytes, stop.value}, registers());
        if (from_off_ && is_translating()) forbid_usual();
        if (probing_ && !reads_out)
            probe_->fire(fmt::format("{}, after write {} ({:#x} = {:#x})", phase_, stops_, offset,
                                     stop.value));
    }

    std::vector<std::string> findings_;
    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> tap_;
    std::unique_ptr<Ram> ram_;
    PhysAddr ram_at_{};
    bool is_arm_ = false, moves_refuse_ = false;
    std::unique_ptr<ServiceProcess> service_;
    std::unique_ptr<Probe> probe_;
    std::unique_ptr<vtd::Referee> referee_;  // of VT-d boards
    std::string phase_ = "start";
    std::atomic<std::size_t> stops_ = 0;
    std::atomic<std::size_t> die_in_ = 0;
    std::atomic<bool> has_died_ = false;
    std::atomic<bool> from_off_ = true;
    std::atomic<bool> probing_ = true;
    bool judges_answers_ = true;
    std::unique_ptr<Observer> observer_;  // last: its thread uses the others
};

}  // namespace smmu::test
