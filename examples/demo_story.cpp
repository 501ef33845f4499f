// SPDX-License-Identifier: Apache-2.0
// The demonstration: a device that goes astray, first without the service and then with it.
// Whatever is printed as "ok" was checked in the board's memory or in what another program
// reported; the first thing that does not hold ends the story with "demo: FAILED".
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "doorbell.hpp"
#include "stage.hpp"

namespace {

using namespace demo;

constexpr unsigned char victim_byte = 0xa5;
constexpr unsigned char device_byte = 0x11;
constexpr std::uint64_t granule = 4096;
constexpr std::uint32_t stray_bytes = 16;
constexpr Patience end_patience{10'000};

void title(const std::string& text) {
    static int number = 0;
    fmt::print("\n{}. {}\n", ++number, text);
}

// Memory that belongs to somebody else: no device has any business there.
struct Victim {
    std::uint64_t physical = 0;
    bool intact(Stage& stage) const { return stage.all(physical, granule, victim_byte); }
};

Result<Victim> make_victim(Stage& stage) {
    machine_buffer buffer{};
    if (machine_take_memory(stage.machine(), 2 * granule, &buffer) != 0)
        return fail(errno, "no memory on the board");
    std::memset(buffer.memory, victim_byte, granule);
    std::memset(buffer.memory + granule, device_byte, granule);
    return Victim{buffer.physical};
}

// The device itself, with no driver's help: it writes what it holds to `address`.
Result<void> wild_write(Stage& stage, std::uint64_t address) {
    if (engine_write_memory(stage.machine(), &stage.engine(), address, stray_bytes) != 0) {
        return fail(errno, "the device did not finish its copy");
    }
    return {};
}

Result<void> without_service(Stage& stage, const Victim& victim) {
    title("Without smmuman: the control");
    machine_bus_master(stage.machine(), &stage.engine(), true);
    if (engine_read_memory(stage.machine(), &stage.engine(), victim.physical + granule, stray_bytes) !=
        0) {
        return fail(errno, "the device did not finish its copy");
    }
    SMMU_CHECK(wild_write(stage, victim.physical));
    SMMU_CHECK(
        claim(stage.all(victim.physical, stray_bytes, device_byte),
              fmt::format("a stray DMA of {} overwrote {} of a victim's bytes: nothing stops it",
                          stage.device_name(), stray_bytes)));
    std::memset(stage.memory(victim.physical, granule).data(), victim_byte, granule);
    return {};
}

Result<void> with_service(Stage& stage) {
    title("smmuman starts");
    SMMU_TRY(const Patience took, stage.start_service());
    fmt::print("       ready {} ms after its start\n", took.count());
    SMMU_TRY(const std::string units, stage.run("smmuctl", {"units"}));
    const bool has_tree = stage.is_model() || stage.board_name().ends_with("-dt");
    const std::string_view origin = has_tree ? "dtb /" : stage.unit().described;
    const std::string firmware = has_tree ? "device tree" : fmt::format("{} table", origin);
    SMMU_CHECK(claim(units.find(origin) != std::string::npos,
                     fmt::format("the unit was learned from the board's own {}", firmware)));
    SMMU_CHECK(stage.device_shown("blocked"));
    return stage.start_monitor();
}

Result<std::uint64_t> driver_works(Stage& stage) {
    title("A driver: it owns the device and grants one buffer");
    SMMU_TRY(const std::uint64_t buffer, stage.start_driver());
    SMMU_CHECK(stage.order("attach"));
    SMMU_CHECK(stage.order(fmt::format("grant {}", granule)));
    SMMU_CHECK(stage.order("copy"));
    const auto sent = stage.memory(buffer, 64), arrived = stage.memory(buffer + 1024, 64);
    SMMU_CHECK(claim(std::ranges::equal(sent, arrived) && !stage.all(buffer, 64, 0),
                     fmt::format("64 bytes went from {} into the device and back to {}",
                                 hex(buffer), hex(buffer + 1024))));
    return buffer;
}

// A witness beside the service: what the emulator prints, or the index of the unit's own queue of records.
Result<void> hardware_agrees(Stage& stage, std::uint64_t address, std::uint32_t recorded_before) {
    if (stage.unit().recorded != nullptr)
        return claim(stage.unit().recorded(stage.machine()) != recorded_before, stage.unit().witness);
    const std::string printed = stage.machine_log();
    const auto at = printed.find("iova=" + hex(address));
    const auto begin = at == std::string::npos ? at : printed.rfind('\n', at) + 1;
    return claim(at != std::string::npos,
                 "QEMU says of the same access: " +
                     (at == std::string::npos ? "" : printed.substr(begin, printed.find('\n', at) - begin)));
}

Result<void> stray_is_refused(Stage& stage, const Victim& victim, std::uint64_t buffer,
                              bool broken) {
    title("The same stray DMA");
    const std::string owner = fmt::format("owner pid {} ", stage.driver->pid());
    if (broken) {  // the story must fail then
        stage.unit().open(stage.machine());
        fmt::print("       (BREAK: the unit was opened behind the service's back)\n");
    }
    const std::uint32_t recorded = stage.unit().recorded != nullptr ? stage.unit().recorded(stage.machine()) : 0;
    SMMU_CHECK(stage.stray(victim.physical));
    SMMU_CHECK(claim(victim.intact(stage), "refused: the victim is intact"));
    SMMU_CHECK(stage.reported(victim.physical, {owner, "cause never-granted"}));
    SMMU_CHECK(hardware_agrees(stage, victim.physical, recorded));

    const std::uint64_t next = buffer + granule;
    std::memset(stage.memory(next, granule).data(), victim_byte, granule);
    SMMU_CHECK(stage.stray(next));
    SMMU_CHECK(claim(stage.all(next, granule, victim_byte),
                     "one byte beyond the grant: refused, memory intact"));
    SMMU_CHECK(stage.reported(next, {owner, "cause overrun"}));
    SMMU_CHECK(stage.order("copy"));
    return claim(true, "what is granted still works");
}

Result<void> other_grants(Stage& stage) {
    title("Grants of another kind");
    SMMU_CHECK(stage.order("detach"));
    const std::string place = stage.unit().engine;
    SMMU_TRY(const std::string guest, stage.run("guest_memory", {place}));
    SMMU_CHECK(claim(true, "a guest's device: " + guest));
    SMMU_TRY(const std::string by_descriptor, stage.run("fd_driver", {place}));
    return claim(true, by_descriptor);
}

Result<void> removal(Stage& stage, std::uint64_t buffer) {
    title("A grant is removed");
    SMMU_CHECK(stage.order("attach"));
    SMMU_CHECK(stage.order(fmt::format("grant {}", granule)));
    SMMU_CHECK(stage.order("copy"));
    SMMU_CHECK(stage.order(fmt::format("remove {}", granule)));
    std::memset(stage.memory(buffer, granule).data(), victim_byte, granule);
    SMMU_CHECK(stage.stray(buffer));
    SMMU_CHECK(claim(stage.all(buffer, granule, victim_byte), "the former buffer is out of reach"));
    return stage.reported(buffer, {"cause after-removal"});
}

// Whether a message of the device rings the bell.
Result<bool> rings(Stage& stage, const machine_device& device, InterruptController& controller, const Doorbell& bell) {
    if (machine_set_message(stage.machine(), &device, bell.address, static_cast<std::uint16_t>(bell.data)) != 0)
        return fail(errno, "the device has no interrupt messages");
    edu_raise_interrupt(stage.machine(), &device);
    return controller.rang(bell);
}

// The page of a doorbell is there to be written. Tables of stage 1 cannot say that.
Result<void> doorbell_is_not_read(Stage& stage, const Doorbell& bell) {
    if (stage.board_name().find("-s1") != std::string::npos) return {};
    const std::uint64_t page = bell.address & ~(granule - 1);
    if (engine_read_memory(stage.machine(), &stage.engine(), page, 4) != 0)
        return fail(errno, "the device did not finish its copy");
    return stage.reported({stage.device_name(), " read ", hex(page) + " ", "cause permission"});
}

// An interrupt by message is a DMA write, and passes the unit like any other. Each device has a bell that would ring.
Result<void> doorbells(Stage& stage) {
    title("Interrupts by message: the doorbell");
    machine_device other{};
    if (machine_find(stage.machine(), "0:4.0", &other) != 0) return fail(errno, "this board has no second engine");
    SMMU_TRY(const auto controller, interrupt_controller(stage.machine(), stage.board_name().ends_with("gicv2")));
    const Doorbell own = controller->doorbell(stage.engine()), of_other = controller->doorbell(other);
    SMMU_CHECK(doorbell_is_not_read(stage, own));  // before it is rung: QEMU reports no refusal by a translation it has cached
    SMMU_TRY(const bool own_rang, rings(stage, stage.engine(), *controller, own));
    SMMU_CHECK(claim(own_rang, fmt::format("{}, which its driver owns, rings {}: the interrupt is pending",
                                           stage.device_name(), hex(own.address))));

    machine_bus_master(stage.machine(), &other, true);
    SMMU_TRY(const bool other_rang, rings(stage, other, *controller, of_other));
    machine_bus_master(stage.machine(), &other, false);
    SMMU_CHECK(claim(!other_rang, fmt::format("{}, which nobody owns, does not ring its own there", device_name(other))));
    return stage.reported({device_name(other), " write ", hex(of_other.address) + " ", "owner nobody"});
}

Result<void> driver_dies(Stage& stage, const Victim& victim, std::uint64_t buffer) {
    title("The driver is killed");
    SMMU_CHECK(stage.order(fmt::format("grant {}", granule)));
    std::memset(stage.memory(buffer, granule).data(), victim_byte, granule);
    stage.driver->kill(SIGKILL);
    stage.driver->wait_end(end_patience);
    SMMU_CHECK(stage.device_shown("blocked"));
    if (stage.engine().is_pci) {
        SMMU_CHECK(claim(!machine_is_bus_master(stage.machine(), &stage.engine()),
                         "the service took the device off the bus"));
        machine_bus_master(stage.machine(), &stage.engine(), true);  // as the next driver would
    }
    // One after the other: hardware keeps one record of a device until it is read.
    SMMU_CHECK(wild_write(stage, buffer));
    SMMU_CHECK(claim(stage.all(buffer, granule, victim_byte),
                     "told to do DMA it does not reach its former buffer"));
    SMMU_CHECK(stage.reported_while_blocked(buffer));
    SMMU_CHECK(wild_write(stage, victim.physical));
    SMMU_CHECK(claim(victim.intact(stage), "nor the victim"));
    return stage.reported_while_blocked(victim.physical);
}

Result<void> service_dies(Stage& stage, const Victim& victim) {
    title("The service is killed while the device does DMA");
    SMMU_TRY(const std::uint64_t buffer, stage.start_driver());
    SMMU_CHECK(stage.order("attach"));
    SMMU_CHECK(stage.order(fmt::format("grant {}", granule)));
    SMMU_CHECK(stage.order("copy"));
    stage.service->kill(SIGKILL);
    for (int i = 0; i < 50; ++i) SMMU_CHECK(wild_write(stage, victim.physical));
    stage.service->wait_end(end_patience);
    SMMU_CHECK(wild_write(stage, victim.physical));
    SMMU_CHECK(claim(victim.intact(stage),
                     "no service, and the hardware still refuses: the victim is intact"));
    SMMU_CHECK(stage.order("copy"));
    SMMU_CHECK(claim(true, "what was granted goes on working"));

    // The new instance takes the unit over while the device goes on writing: there is no open
    // instant.
    unsigned long writes = 0;
    bool open_instant = false;
    std::jthread device([&](const std::stop_token& stop) {
        while (!stop.stop_requested() && wild_write(stage, victim.physical)) {
            ++writes;
            open_instant = open_instant || !victim.intact(stage);
        }
    });
    const auto started = stage.start_service();
    device.request_stop();
    device.join();
    if (!started) return fail(started.error().code, started.error().text);
    SMMU_CHECK(claim(
        writes > 0 && !open_instant,
        fmt::format("restarted in {} ms while the device tried {} times: never an open instant",
                    started->count(), writes)));
    SMMU_TRY(const std::string units, stage.run("smmuctl", {"units"}));
    SMMU_CHECK(claim(units.find(" own ") != std::string::npos,
                     "the new instance adopted the tables of the old one"));
    SMMU_CHECK(stage.order("attach"));
    SMMU_CHECK(stage.order(fmt::format("grant {}", granule)));
    SMMU_CHECK(stage.order("copy"));
    SMMU_CHECK(claim(!stage.all(buffer, 64, 0), "the driver connected anew and its DMA works"));
    SMMU_CHECK(stage.stray(victim.physical));
    return claim(victim.intact(stage), "and nothing else");
}

Result<void> orderly_end(Stage& stage) {
    stage.driver->tell("quit");
    SMMU_CHECK(claim(stage.driver->wait_end(end_patience) == 0, "the driver ended in order"));
    stage.service->kill(SIGTERM);
    SMMU_CHECK(claim(stage.service->wait_end(end_patience) == 0, "the service ended in order"));
    if (stage.is_model()) {
        SMMU_CHECK(claim(stage.machine_log().find("COMPLAINT") == std::string::npos,
                         "the model complains of no rule of the hardware that the service broke"));
    }
    return stage.client().shut_down();
}

Result<void> tell(Stage& stage, bool broken) {
    SMMU_CHECK(stage.start_board());
    SMMU_TRY(const Victim victim, make_victim(stage));
    SMMU_CHECK(without_service(stage, victim));
    SMMU_CHECK(with_service(stage));
    SMMU_TRY(const std::uint64_t buffer, driver_works(stage));
    SMMU_CHECK(stray_is_refused(stage, victim, buffer, broken));
    SMMU_CHECK(other_grants(stage));
    SMMU_CHECK(removal(stage, buffer));
    if (stage.board_name().starts_with("virt-")) SMMU_CHECK(doorbells(stage));
    SMMU_CHECK(driver_dies(stage, victim, buffer));
    SMMU_CHECK(service_dies(stage, victim));
    return orderly_end(stage);
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) {
        fmt::print(stderr, "usage: demo_story BOARD\n");
        return 2;
    }
    setvbuf(stdout, nullptr, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    std::string directory =
        (std::filesystem::temp_directory_path() / "smmuman-demo-XXXXXX").string();
    if (mkdtemp(directory.data()) == nullptr) {
        fmt::print("demo: FAILED: no directory for sockets and logs: {}\n", std::strerror(errno));
        return 1;
    }
    const std::string programs =
        std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
    const char* sabotaged = std::getenv("BREAK");
    const demo::UnitKind* unit = demo::unit_kind(words[1]);
    if (unit == nullptr) {
        fmt::print("demo: FAILED: no story is known for the board {}\n", words[1]);
        return 1;
    }

    Result<void> told;
    {
        Stage stage(programs, directory, words[1], *unit);
        if (stage.is_model())
            fmt::print("The board is {}: a model of ours, no emulator and no hardware.\n", words[1]);
        else
            fmt::print("The board is {}, run by QEMU with its model of the IOMMU.\n", words[1]);
        told = tell(stage, sabotaged != nullptr && *sabotaged != '\0' && *sabotaged != '0');
    }
    if (!told) {
        fmt::print("\nThe logs are in {}\ndemo: FAILED: {}\n", directory, told.error().text);
        return 1;
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    fmt::print("\ndemo: passed\n");
    return 0;
}
