// SPDX-License-Identifier: Apache-2.0
// smmuman-log: refused accesses into the journal, until a signal ends it.
#include <systemd/sd-journal.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "journal/writer.hpp"

using namespace smmu;

int main(int argc, char** argv) {
    CLI::App app("writes the accesses that smmuman refused into the journal", "smmuman-log");
    app.set_version_flag("--version", "smmuman-log " SMMU_VERSION);
    std::string socket;
    app.add_option("--socket", socket, "where the service listens");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& said) {
        return app.exit(said) == 0 ? EXIT_SUCCESS : 2;
    }
    if (!socket.empty()) setenv("SMMUMAN_SOCKET", socket.c_str(), 1);  // libsmmu reads it
    journal::Writer writer(sd_journal_sendv);
    return cli::read_events(writer, cli::Follow::also_the_first) ? EXIT_SUCCESS : EXIT_FAILURE;
}
