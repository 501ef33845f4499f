// SPDX-License-Identifier: Apache-2.0
// reload, confirm, release: what only administrators may ask of the service.
#include "client/administration.hpp"

#include <fmt/format.h>
#include <smmu_ext.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/subcommands.hpp"
#include "protocol/result.hpp"

namespace smmu::cli {

namespace {

using protocol::Administration;

int ask(Administration action, const std::string& unit = {}) {
    if (smmu_init(0) != 0) return complain(smmu_strerror_last());
    const auto done = client::administer(action, unit);
    smmu_fini();
    return done ? contained : complain(protocol::to_error(done.error()).text);
}

// The name of the unit, typed by a person at a terminal: nothing else opens a unit.
bool confirmed_by_a_person(const std::string& unit) {
    if (isatty(STDIN_FILENO) == 0) return false;
    fmt::print(stderr, "Devices behind {} will reach ALL memory until the service is restarted.\nType its name to go on: ", unit);
    std::array<char, protocol::unit_name_limit + 2> line{};
    if (std::fgets(line.data(), int(line.size()), stdin) == nullptr) return false;
    line[std::strcspn(line.data(), "\n")] = '\0';
    return unit == line.data();
}

int release(const std::string& unit, bool open) {
    if (!open) return complain("a unit is released to be open: say --open");
    if (!confirmed_by_a_person(unit)) return complain("not confirmed by a person at a terminal; nothing has changed");
    return ask(Administration::release_unit, unit);
}

struct Release {
    std::string unit;
    bool open = false;
};

}  // namespace

void add_administration(CLI::App& app, Invocation& invocation) {
    app.add_subcommand("reload", "read the configuration again: all of it holds afterwards, or nothing has changed")
        ->callback([&] { invocation.run = [] { return ask(Administration::reload); }; });
    app.add_subcommand("confirm", "end a trial: the service stays")->callback([&] {
        invocation.run = [] { return ask(Administration::confirm); };
    });
    CLI::App* released = app.add_subcommand("release", "turn one unit off, after a person has confirmed it");
    const auto what = std::make_shared<Release>();
    released->add_option("UNIT", what->unit, "its name, as `smmuctl units` shows it")->required();
    released->add_flag("--open", what->open, "its devices will reach all memory");
    released->callback([&invocation, what] { invocation.run = [what] { return release(what->unit, what->open); }; });
}

}  // namespace smmu::cli
