// SPDX-License-Identifier: Apache-2.0
#include "daemon/configuration_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/parse.hpp"
#include "daemon/config_file.hpp"
#include "daemon/supported.hpp"

namespace smmu::daemon {

namespace {

bool same_units(const config::Configuration& now, const config::Configuration& next) {
    const auto same = [](const config::UnitEntry& a, const config::UnitEntry& b) {
        return a.name == b.name && a.kind == b.kind && a.base == b.base && a.interrupts == b.interrupts &&
               a.bypass == b.bypass && a.reserved_streams == b.reserved_streams && a.board_library == b.board_library;
    };
    return std::ranges::equal(now.units, next.units, same);
}

bool same_accepted(const config::Configuration& now, const config::Configuration& next) {
    return std::ranges::equal(now.uncontained_accepted, next.uncontained_accepted, {}, &config::AcceptEntry::base,
                              &config::AcceptEntry::base);
}

bool same_unclaimed(const config::Configuration& now, const config::Configuration& next) {
    const auto same = [](const config::UnclaimedEntry& a, const config::UnclaimedEntry& b) {
        return a.bypass == b.bypass && a.unit == b.unit;
    };
    return std::ranges::equal(now.unclaimed, next.unclaimed, same);
}

bool same_modules(const config::Configuration& now, const config::Configuration& next) {
    const auto same = [](const config::SupportModule& a, const config::SupportModule& b) {
        return a.kind == b.kind && a.tables == b.tables && a.main == b.main;
    };
    return std::ranges::equal(now.modules, next.modules, same);
}

}  // namespace

Started<config::Configuration> ConfigurationSource::read() const {
    config::ParseResult parsed = config::parse(words_, read_config_file, config::Edition::plain);
    std::vector<std::string> lines;
    for (const config::ConfigError& error : parsed.errors) lines.push_back(error.line());
    if (lines.empty()) lines = unsupported_words(parsed.configuration);
    if (lines.empty()) return std::move(parsed.configuration);
    std::string text = "because of the configuration:";
    for (const std::string& line : lines) text += "\n  " + line;
    return stop(ExitStatus::configuration, std::move(text));
}

config::Configuration ConfigurationSource::as_far_as_readable() const {
    return config::parse(words_, read_config_file, config::Edition::plain).configuration;
}

config::Configuration ConfigurationSource::hardware_alone() const {
    config::Configuration all = as_far_as_readable();
    config::Configuration hardware = config::defaults(config::Edition::plain);
    hardware.platform = all.platform;
    hardware.tables = all.tables;
    hardware.modules = std::move(all.modules);
    hardware.units = std::move(all.units);
    hardware.combine = all.combine;
    return hardware;
}

bool ConfigurationSource::is_deliberate(const config::Configuration& configuration) const {
    const auto names_file = [](const std::string& word) { return word.starts_with('@'); };
    return configuration.platform.value.board || !configuration.modules.empty() || std::ranges::any_of(words_, names_file);
}

Result<void> can_become(const config::Configuration& now, const config::Configuration& next) {
    const auto fixed = [](std::string_view word) {
        return fail(EINVAL, fmt::format("`{}` cannot change while the service runs; restart it", word));
    };
    if (now.platform.value.board != next.platform.value.board || now.platform.value.name != next.platform.value.name)
        return fixed("platform");
    if (now.socket.value != next.socket.value) return fixed("socket");
    if (now.tables.value.bytes != next.tables.value.bytes || now.tables.value.range != next.tables.value.range)
        return fixed("tables");
    if (now.trial.value != next.trial.value) return fixed("trial");
    if (!same_accepted(now, next)) return fixed("uncontained");
    if (now.widen.value != next.widen.value) return fixed("widen");
    if (!same_unclaimed(now, next)) return fixed("unclaimed");
    if (!same_modules(now, next)) return fixed("smmu");
    if (!same_units(now, next)) return fixed("unit");
    return {};
}

}  // namespace smmu::daemon
