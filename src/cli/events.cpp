// SPDX-License-Identifier: Apache-2.0
// Events: transgressions as lines, from now on.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/advice.hpp"
#include "cli/event_stream.hpp"
#include "cli/subcommands.hpp"
#include "report/status.hpp"

namespace smmu::cli {

namespace {

class Lines : public EventReader {
public:
    explicit Lines(bool json) : json_(json) {}

    void take(const report::Event& event, bool after_loss) override {
        if (after_loss) hear("some were lost here");
        std::puts((json_ ? report::to_json(event) : line_of(event)).c_str());
    }
    // Beside the events, which go to standard output and may be JSON.
    void hear(const std::string& text) override { std::fprintf(stderr, "smmuctl: %s\n", text.c_str()); }
    void rest() override { std::fflush(stdout); }

private:
    static std::string line_of(const report::Event& event) {
        return fmt::format("{:>6}  {:.6f} s  {}  {}", event.sequence, double(event.time_us) / 1e6, event.device,
                           refusal_text(event));
    }

    bool json_;
};

}  // namespace

void add_events(CLI::App& app, Invocation& invocation) {
    CLI::App* events = app.add_subcommand("events", "transgressions, as they come in");
    const auto follow = std::make_shared<bool>(false);
    events->add_flag("-f,--follow", *follow, "wait for more, also across a restart of the service");
    events->callback([&invocation, follow] {
        invocation.run = [&invocation, follow] {
            Lines lines(invocation.json);
            return read_events(lines, *follow ? Follow::every_service : Follow::briefly) ? contained : failed;
        };
    });
}

}  // namespace smmu::cli
