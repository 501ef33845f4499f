// SPDX-License-Identifier: Apache-2.0
// smmu-board: runs an emulated board as a process of its own, so that it outlives the service,
// drivers and monitors that use it, as hardware does.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <filesystem>

#include "board/description.hpp"
#include "board/program.hpp"
#include "board/qemu_machine.hpp"

namespace {

using namespace smmu;

constexpr const char* usage =
    "usage: smmu-board [options] NAME|FILE.json   run a board in the foreground\n"
    "       smmu-board --stop NAME|SOCKET         end a running one\n"
    "  --socket PATH              listen here (default: NAME.sock in SMMU_BOARD_DIR or "
    "/run/smmuman/boards)\n"
    "  --run-dir DIR              for the log and other files (default: the socket's path with "
    ".run)\n"
    "  --lifetime-fd N            end when the other end of descriptor N is closed\n"
    "  --log FILE                 what QEMU prints, refused accesses among it (default: qemu.log "
    "in DIR)\n"
    "  --replace-table NAME=FILE  hand out FILE as that ACPI table, or as the device tree 'dtb' "
    "(NAME=hex:... for bytes, NAME=hex: for none)\n"
    "Prints 'ready NAME socket=... log=... qmp=... pid=... qemu=... ms=...' when the board can be "
    "used.\n";

class QemuProgram final : public board::Program {
public:
    std::string_view name() const override { return "smmu-board"; }
    const char* usage() const override { return ::usage; }

    Result<std::string> load(board::Options& options) override {
        SMMU_TRY(description_, board::load_description(options.board));
        for (const std::string& replaced : options.replaced_tables) {
            const std::size_t equals = replaced.find('=');
            if (equals == 0 || equals == std::string::npos)
                return fail(EINVAL,
                            fmt::format("--replace-table {}: NAME=FILE is wanted", replaced));
            SMMU_TRY(description_.replaced_tables[replaced.substr(0, equals)],
                     board::table_bytes(replaced.substr(equals + 1),
                                        std::filesystem::current_path().string()));
        }
        if (options.log.empty()) options.log = description_.log;
        return description_.name;
    }

    Result<Running> start(const board::Options& options) override {
        description_.log = options.log;
        SMMU_TRY(auto machine, board::QemuMachine::start(description_, options.run_directory));
        Running running;
        running.words = fmt::format("qmp={} pid={} qemu={}", machine->monitor_path(), getpid(),
                                    machine->process().pid());
        running.endings = {
            {machine->process().ended(), EPOLLIN,
             fmt::format("QEMU ended; {} may say why", machine->description().log_path), true}};
        running.machine = std::move(machine);
        return running;
    }

private:
    board::Description description_;
};

}  // namespace

int main(int count, char** arguments) {
    return QemuProgram().main(count, arguments);
}
