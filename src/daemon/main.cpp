// SPDX-License-Identifier: Apache-2.0
// smmuman: the DMA containment service. Start, serve, stop.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <optional>

#include "config/options.hpp"
#include "daemon/background.hpp"
#include "daemon/check.hpp"
#include "daemon/command_line.hpp"
#include "daemon/inhibition.hpp"
#include "daemon/reload.hpp"
#include "daemon/safe_state.hpp"
#include "daemon/server.hpp"
#include "daemon/service.hpp"
#include "daemon/version.hpp"
#include "daemon/watch.hpp"
#include "protocol/limits.hpp"

namespace {

using namespace smmu;
using namespace smmu::daemon;

// Priorities are for the journal; a person at a terminal does not want to see them.
void say(const char* priority, const std::string& text) {
    std::fprintf(stderr, "%ssmmuman: %s\n", isatty(STDERR_FILENO) ? "" : priority, text.c_str());
}

int stopped(const Stop& why) {
    say(SD_ERR, why.text);
    return int(why.status);
}

void print_help() {
    fmt::print("usage: smmuman [--tables DIR] [words] [@file.smmu ...]\n"
               "       smmuman --check [--tables DIR] [words] [@file.smmu ...]\n"
               "       smmuman --safe-state [words] [@file.smmu ...]\n"
               "       smmuman --help | --version\n\n"
               "Words have no dash; a file holds the same words. See smmuman(8) and smmu(5).\n\n");
    for (const config::Option& option : config::options())
        fmt::print("  {} {}\n      {}\n", option.word, option.arguments, option.meaning);
    fmt::print("\nExit status: 0 fine, 1 internal error, 2 configuration, 3 hardware missing or in use, "
               "4 not contained\n");
}

int on_stop_signal(sd_event_source* source, const signalfd_siginfo*, void*) {
    return sd_event_exit(sd_event_source_get_event(source), int(ExitStatus::fine));
}

int on_reload_signal(sd_event_source*, const signalfd_siginfo*, void* data) {
    if (const auto done = reload(*static_cast<Service*>(data)); done)
        say(SD_NOTICE, "reload: done");
    else
        say(SD_ERR, "reload: " + done.error().text);
    return 0;
}

// SIGTERM and SIGINT end the loop; a SIGHUP before there is something to reload waits. Writing to a socket whose reader
// is gone is an error of that call only.
bool take_signals(sd_event* loop) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    return sd_event_add_signal(loop, nullptr, SIGTERM, on_stop_signal, nullptr) >= 0 &&
           sd_event_add_signal(loop, nullptr, SIGINT, on_stop_signal, nullptr) >= 0;
}

int end_trial(Service& service) {
    std::string text = "NOT CONTAINED: the trial was not confirmed; the units are off again, as they were found";
    for (const Error& problem : service.take_back()) text += "\n  " + problem.text;
    return stopped({ExitStatus::not_contained, std::move(text)});
}

// A start that cannot be used is no start: one on trial goes back.
int cannot_serve(Service& service, std::string why) {
    const int status = stopped({ExitStatus::internal, std::move(why)});
    return service.trial().count() != 0 ? end_trial(service) : status;
}

// The service has contained what it could: serve until told to stop or until a unit changed under its hands.
int serve(sd_event* loop, Service& service, std::optional<Background>& background) {
    const auto& configured = service.configuration().socket;
    const std::string path = configured.value.empty() ? protocol::default_socket : configured.value;
    auto server = Server::listen(loop, service, path);
    if (!server) return cannot_serve(service, server.error().text);
    auto watch = Watch::start(loop, service, **server);
    if (!watch) return cannot_serve(service, watch.error().text);
    if (sd_event_add_signal(loop, nullptr, SIGHUP, on_reload_signal, &service) < 0)
        return cannot_serve(service, "cannot receive signals");

    std::vector<std::string> remarks = service.remarks(service.configuration().debug.value);
    std::optional<Inhibition> inhibition;  // a board neither sleeps nor starts another kernel
    if (!service.configuration().platform.value.board) inhibition = Inhibition::take(remarks);
    for (const std::string& remark : remarks) say(SD_NOTICE, remark);
    say(SD_INFO, service.summary());
    sd_notifyf(0, "READY=1\nSTATUS=%s", service.summary().c_str());
    if (background) background->ready();
    const int status = sd_event_loop(loop);
    sd_notify(0, "STOPPING=1");
    server->reset();  // every client is blocked before anything else
    if (service.trial().count() != 0) return end_trial(service);  // its time is over, or it ends before
    if ((*watch)->stop()) return stopped(*(*watch)->stop());
    service.leave();
    return status < 0 ? int(ExitStatus::internal) : status;
}

// Each client takes two descriptors: as many as the system lets this process have.
void allow_many_descriptors() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const CommandLine& line) {
    allow_many_descriptors();
    const ConfigurationSource source(line.words);
    auto configuration = source.read();
    if (!configuration)
        return stopped({ExitStatus::configuration,
                        left_as_found(source.as_far_as_readable(), line.tables) + ", " + configuration.error().text});
    std::optional<Background> background;
    if (!configuration->foreground.value) background = Background::enter();

    sd_event* made = nullptr;
    if (sd_event_new(&made) < 0) return stopped({ExitStatus::internal, "cannot make an event loop"});
    const EventLoop loop(made);
    if (!take_signals(loop.get())) return stopped({ExitStatus::internal, "cannot receive signals"});

    SteadyClock clock;
    auto service = Service::start(source, *std::move(configuration), line.tables, clock);
    if (!service) return stopped(service.error());
    return serve(loop.get(), **service, background);
}

int carry_out(const CommandLine& line) {
    switch (line.task) {
        case CommandLine::Task::serve: return run(line);
        case CommandLine::Task::check: return check(line);
        case CommandLine::Task::safe_state: return enter_safe_state(line);
        case CommandLine::Task::help: print_help(); return 0;
        case CommandLine::Task::version: fmt::print("smmuman {}\n", version); return 0;
    }
    return int(ExitStatus::internal);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    try {
        const auto line = read_command_line(arguments);
        return line ? carry_out(*line) : stopped(line.error());
    } catch (const std::exception& error) {
        // The hardware goes on refusing what was not granted; clients' devices are blocked by the next start.
        return stopped({ExitStatus::internal, error.what()});
    }
}
