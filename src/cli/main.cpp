// SPDX-License-Identifier: Apache-2.0
// smmuctl: looks at a running service.
#include <cstdlib>

#include "cli/subcommands.hpp"
#include "protocol/limits.hpp"

using namespace smmu;

int main(int argc, char** argv) {
    CLI::App app("looks at a running smmuman", "smmuctl");
    app.require_subcommand(1);
    app.set_version_flag("--version", "smmuctl " SMMU_VERSION);
    app.fallthrough();

    cli::Invocation invocation;
    const char* configured = std::getenv("SMMUMAN_SOCKET");
    std::string socket = configured != nullptr ? configured : protocol::default_socket;
    app.add_option("--socket", socket, "where the service listens")->capture_default_str();
    app.add_option("--from", invocation.from, "a file with what --json status printed, instead of the service");
    app.add_flag("--json", invocation.json, "as JSON (docs/json.md)");
    for (const cli::AddSubcommand add : cli::subcommands) add(app, invocation);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& said) {
        return app.exit(said) == 0 ? cli::contained : cli::failed;  // help and version are no failures
    }
    setenv("SMMUMAN_SOCKET", socket.c_str(), 1);  // libsmmu reads it
    return invocation.run();
}
