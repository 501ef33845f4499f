// SPDX-License-Identifier: Apache-2.0
#include "daemon/inhibition.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "base/result.hpp"

namespace smmu::daemon {

namespace {

// logind asks nobody before it answers.
constexpr std::uint64_t answer_limit_us = 5'000'000;

struct CloseBus {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct DropMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};

Result<UniqueFd> sleep_lock() {
    const auto refused = [](int code) { return fail(-code, std::strerror(-code)); };
    sd_bus* opened = nullptr;
    if (const int code = sd_bus_open_system(&opened); code < 0) return refused(code);
    const std::unique_ptr<sd_bus, CloseBus> bus(opened);
    sd_bus_set_method_call_timeout(bus.get(), answer_limit_us);

    sd_bus_message* answered = nullptr;
    const int called = sd_bus_call_method(bus.get(), "org.freedesktop.login1", "/org/freedesktop/login1",
                                          "org.freedesktop.login1.Manager", "Inhibit", nullptr, &answered, "ssss", "sleep",
                                          "smmuman", "IOMMU units would wake up without their tables", "block");
    const std::unique_ptr<sd_bus_message, DropMessage> answer(answered);
    if (called < 0) return refused(called);
    int lock = -1;
    if (const int code = sd_bus_message_read(answer.get(), "h", &lock); code < 0) return refused(code);
    UniqueFd own(fcntl(lock, F_DUPFD_CLOEXEC, 3));  // the message closes its own
    if (!own) return fail(errno, std::strerror(errno));
    return own;
}

// The first character of a file of the kernel; 0 when it cannot be read.
char flag_in(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char flag = 0;
    return file && read(file.get(), &flag, 1) == 1 ? flag : '\0';
}

bool set_flag(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file && write(file.get(), "1", 1) == 1;
}

}  // namespace

Inhibition Inhibition::take(std::vector<std::string>& remarks, const KernelFiles& files) {
    Inhibition held;
    if (auto lock = sleep_lock())
        held.sleep_ = *std::move(lock);
    else
        remarks.push_back(fmt::format("sleep is not held off, systemd-logind did not give its lock: {}; a unit that wakes up "
                                      "without its tables is stopped and taken over again within a second",
                                      lock.error().text));
    if (flag_in(files.loaded) == '1')
        remarks.push_back("a kernel is loaded for kexec: it would use the memory that the units walk; unload it with `kexec -u`");
    if (flag_in(files.load_disabled) == '0' && !set_flag(files.load_disabled))
        remarks.push_back(fmt::format("kexec is not held off: {} cannot be set", files.load_disabled));
    return held;
}

}  // namespace smmu::daemon
