// SPDX-License-Identifier: Apache-2.0
// smmuctl: looks at a running service.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "cli/events.hpp"
#include "cli/service_query.hpp"
#include "cli/text.hpp"
#include "protocol/limits.hpp"

namespace {

using namespace smmu;

// 0 all is contained, 1 it is not, 2 the question could not be answered.
enum ExitStatus : int { contained = 0, not_contained = 1, failed = 2 };

struct View {
    const char* name;
    const char* what;
    std::string (*text)(const report::Status&, cli::Style);
};

std::string units_plain(const report::Status& status, cli::Style style) {
    return cli::units_text(status, style, false);
}
std::string units_with_registers(const report::Status& status, cli::Style style) {
    return cli::units_text(status, style, true);
}

constexpr View views[] = {
    {"status", "one line on everything, then findings", cli::status_text},
    {"units", "the IOMMU units and how they were taken over", units_plain},
    {"registers", "the units with their registers by the manual's names", units_with_registers},
    {"devices", "every device, who owns it, what was refused", cli::devices_text},
    {"objects", "clients' objects", cli::objects_text},
    {"mappings", "what clients granted, byte by byte", cli::mappings_text},
};

int complain(const std::string& text) {
    std::fprintf(stderr, "smmuctl: %s\n", text.c_str());
    return failed;
}

int show(const View& view, bool json) {
    const auto document = cli::query_status();
    if (!document) return complain(document.error().text);
    report::Status status;
    std::string why;
    if (!report::from_json(*document, status, why)) return complain("the service's answer makes no sense: " + why);
    const cli::Style style{.colour = std::getenv("NO_COLOR") == nullptr && isatty(STDOUT_FILENO) != 0};
    std::fputs((json ? *document + '\n' : view.text(status, style)).c_str(), stdout);
    return report::all_contained(status) ? contained : not_contained;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("looks at a running smmuman", "smmuctl");
    app.require_subcommand(1);
    app.set_version_flag("--version", "smmuctl " SMMU_VERSION);
    const char* configured = std::getenv("SMMUMAN_SOCKET");
    std::string socket = configured != nullptr ? configured : protocol::default_socket;
    bool json = false;
    app.add_option("--socket", socket, "where the service listens")->capture_default_str();
    app.add_flag("--json", json, "the service's whole status as JSON (docs/json.md)");
    app.fallthrough();

    const View* chosen = nullptr;
    for (const View& view : views)
        app.add_subcommand(view.name, view.what)->callback([&chosen, &view] { chosen = &view; });
    bool follow = false;
    CLI::App* events = app.add_subcommand("events", "transgressions, as they come in");
    events->add_flag("-f,--follow", follow, "wait for more, also across a restart of the service");

    CLI11_PARSE(app, argc, argv);
    setenv("SMMUMAN_SOCKET", socket.c_str(), 1);  // libsmmu reads it
    if (chosen != nullptr) return show(*chosen, json);
    return cli::print_events(follow, json) ? contained : failed;
}
