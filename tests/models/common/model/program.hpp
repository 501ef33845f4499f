// SPDX-License-Identifier: Apache-2.0
// ModelProgram: a modelled machine as a board of its own, in the place of smmu-board.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "board/program.hpp"

namespace smmu::model {

template <class Machine, class Facts>
class ModelProgram final : public board::Program {
public:
    using Load = Result<Facts> (*)(const std::string& path);

    // `reader` reads a description.
    ModelProgram(std::string name, Load reader)
        : name_(std::move(name)),
          usage_(fmt::format("usage: {0} [options] FILE.json   run a modelled board in the "
                             "foreground\n"
                             "       {0} --stop NAME|SOCKET    end a running one\n"
                             "  --socket PATH, --run-dir DIR, --lifetime-fd N, --log FILE: as of "
                             "smmu-board\n"
                             "The log (model.log in DIR) takes a line 'COMPLAINT: ...' for each "
                             "rule of the\n"
                             "specification that the driver breaks.\n",
                             name_)),
          load_(reader) {}

    std::string_view name() const override { return name_; }
    const char* usage() const override { return usage_.c_str(); }

    Result<std::string> load(board::Options& options) override {
        SMMU_TRY(facts_, load_(options.board));
        return facts_.name;
    }

    Result<Running> start(const board::Options& options) override {
        const std::string log =
            options.log.empty() ? options.run_directory + "/model.log" : options.log;
        Running running;
        running.machine = std::make_unique<Machine>(facts_, log);
        running.words = fmt::format("pid={} qemu=0", getpid());
        return running;
    }

private:
    std::string name_;
    std::string usage_;
    Load load_;
    Facts facts_;
};

}  // namespace smmu::model
