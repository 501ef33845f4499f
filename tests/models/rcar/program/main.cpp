// SPDX-License-Identifier: Apache-2.0
// smmu-model-rcar: the model of an R-Car board as a board of its own, in the place of smmu-board.
#include <fmt/format.h>
#include <unistd.h>

#include "board/program.hpp"
#include "tests/models/rcar/model/description.hpp"
#include "tests/models/rcar/model/machine.hpp"

namespace {

using namespace smmu;

class ModelProgram final : public board::Program {
public:
    std::string_view name() const override { return "smmu-model-rcar"; }
    const char* usage() const override {
        return "usage: smmu-model-rcar [options] FILE.json   run a modelled board in the "
               "foreground\n"
               "       smmu-model-rcar --stop NAME|SOCKET    end a running one\n"
               "  --socket PATH, --run-dir DIR, --lifetime-fd N, --log FILE: as of smmu-board\n"
               "FILE.json names the product: h3-es1, h3-es2, h3-es3, v4h.\n"
               "The log (model.log in DIR) takes a line 'COMPLAINT: ...' for each rule of the\n"
               "hardware that the driver breaks.\n";
    }

    Result<std::string> load(board::Options& options) override {
        SMMU_TRY(facts_, model::rcar::load_facts(options.board));
        return facts_.name;
    }

    Result<Running> start(const board::Options& options) override {
        const std::string log =
            options.log.empty() ? options.run_directory + "/model.log" : options.log;
        Running running;
        running.machine = std::make_unique<model::rcar::RcarMachine>(facts_, log);
        running.words = fmt::format("pid={} qemu=0", getpid());
        return running;
    }

private:
    model::rcar::MachineFacts facts_;
};

}  // namespace

int main(int count, char** arguments) {
    return ModelProgram().main(count, arguments);
}
