// SPDX-License-Identifier: Apache-2.0
// What administrators ask of the running service. Each request and what became of it is logged.
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdio>

#include "daemon/people.hpp"
#include "daemon/reload.hpp"
#include "daemon/service.hpp"
#include "daemon/session.hpp"
#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

using protocol::Administration;

Result<void> carry_out(Service& service, Administration action, std::string_view unit) {
    switch (action) {
        case Administration::reload: return reload(service);
        case Administration::confirm: return service.confirm();
        case Administration::release_unit: return service.release_unit(unit);
    }
    return fail(EINVAL, "an administrator may ask for reload, confirm or release");
}

std::string name_of(Administration action, std::string_view unit) {
    switch (action) {
        case Administration::reload: return "reload";
        case Administration::confirm: return "confirm";
        case Administration::release_unit: return fmt::format("release {}", unit);
    }
    return "?";
}

}  // namespace

Result<void> Session::administer(const protocol::Request& request, protocol::Descriptors&) {
    const auto body = protocol::body_as<protocol::AdministerRequest>(request.body);
    const auto* letters = static_cast<const char*>(static_cast<const void*>(request.payload.data()));
    const std::string unit = printable(std::string_view(letters, request.payload.size()));
    const containment::Identity& who = service_.containment().identity(*client_);
    const Result<void> done =
        who.abilities.admin
            ? carry_out(service_, body.action, unit)
            : fail(EPERM, fmt::format("user {} is no administrator; configure `ability admin user:NAME`", who.uid));
    const bool opened = done && body.action == Administration::release_unit;
    std::fprintf(stderr, "%ssmmuman: %s by pid %d (uid %u): %s\n", opened ? SD_CRIT : SD_NOTICE,
                 name_of(body.action, unit).c_str(), who.pid, who.uid,
                 opened ? "the unit is OFF, its devices reach all memory" : done ? "done" : done.error().text.c_str());
    if (!done) return done;
    answer_done();
    return {};
}

}  // namespace smmu::daemon
