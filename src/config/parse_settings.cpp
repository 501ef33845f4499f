// SPDX-License-Identifier: Apache-2.0
// The options that set one thing, of which mostly the last word wins.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/parser.hpp"

namespace smmu::config {
namespace {

template <class T>
struct Choice {
    std::string_view word;
    T value;
};

// Reads one of a few words.
template <class T, std::size_t n>
std::optional<T> choose(Parser& parser, const std::array<Choice<T>, n>& choices) {
    std::string expected;
    for (std::size_t i = 0; i < n; ++i)
        expected += fmt::format("{}{}", i == 0 ? "" : i + 1 == n ? " or " : ", ", choices[i].word);
    if (const Word* word = parser.peek_value()) {
        const auto at = std::ranges::find(choices, word->text, &Choice<T>::word);
        if (at != choices.end()) {
            parser.take_value();
            return at->value;
        }
    }
    if (const Word* word = parser.need(expected)) parser.error(*word, "expected " + expected);
    return std::nullopt;
}

template <class T>
bool set(Parser& parser, Setting<T>& setting, std::optional<T> value) {
    if (!value) return false;
    setting.value = std::move(*value);
    setting.origin = parser.option_origin();
    return true;
}

// Words that the safety service does not take.
bool refused_by_safety(Parser& parser, std::string_view why) {
    if (parser.configuration().edition != Edition::safety) return false;
    parser.error(parser.option(), std::string(why));
    return true;
}

}  // namespace

bool parse_combine(Parser& parser) {
    constexpr std::array choices{Choice<Combine>{"override", Combine::override_board},
                                 Choice<Combine>{"merge", Combine::merge}};
    return set(parser, parser.configuration().combine, choose(parser, choices));
}

bool parse_exit(Parser& parser) {
    constexpr std::array choices{Choice<ExitPolicy>{"startup", ExitPolicy::startup},
                                 Choice<ExitPolicy>{"block", ExitPolicy::block}};
    return set(parser, parser.configuration().exit, choose(parser, choices));
}

bool parse_ability(Parser& parser) {
    constexpr std::array choices{
        Choice<Ability>{"attach", Ability::attach}, Choice<Ability>{"target", Ability::target},
        Choice<Ability>{"monitor", Ability::monitor}, Choice<Ability>{"admin", Ability::admin}};
    const auto ability = choose(parser, choices);
    if (!ability) return false;
    const Word* word = parser.need("user:NAME or group:NAME");
    if (word == nullptr) return false;
    const auto who = parser.who(*word);
    if (!who) return false;
    parser.configuration().abilities.push_back({*ability, *who, parser.option_origin()});
    return true;
}

bool parse_tables(Parser& parser) {
    const Word* word = parser.need("a size or start,len");
    if (word == nullptr) return false;
    TableMemory tables;
    if (word->text.find(',') == std::string::npos) {
        const auto bytes = parser.size(*word);
        if (!bytes) return false;
        tables.bytes = *bytes;
    } else {
        const auto window = parser.window(*word);
        if (!window) return false;
        if (std::ranges::count(word->text, ',') > 1) {
            parser.error(*word, "expected start,len without permissions");
            return false;
        }
        tables.range = window->range;
        tables.bytes = window->range.length();
    }
    return set(parser, parser.configuration().tables, std::optional(tables));
}

bool parse_widen(Parser& parser) {
    constexpr std::array choices{Choice<Widen>{"refuse", Widen::refuse},
                                 Choice<Widen>{"allow", Widen::allow}};
    const auto widen = choose(parser, choices);
    if (widen == Widen::allow &&
        refused_by_safety(parser, "smmuman-safety always refuses to widen permissions"))
        return false;
    return set(parser, parser.configuration().widen, widen);
}

bool parse_safety(Parser& parser) {
    constexpr std::array choices{Choice<Safety>{"none", Safety::none},
                                 Choice<Safety>{"warn", Safety::warn},
                                 Choice<Safety>{"required", Safety::required}};
    return set(parser, parser.configuration().safety, choose(parser, choices));
}

bool parse_platform(Parser& parser) {
    constexpr std::array choices{Choice<bool>{"linux", false}, Choice<bool>{"board", true}};
    const auto board = choose(parser, choices);
    if (!board) return false;
    PlatformChoice platform{*board, {}};
    if (platform.board) {
        const Word* word = parser.need("the name of a board");
        if (word == nullptr) return false;
        const auto name = parser.name(*word, "the name of a board");
        if (!name) return false;
        platform.name = *name;
    }
    return set(parser, parser.configuration().platform, std::optional(platform));
}

bool parse_trial(Parser& parser) {
    constexpr std::uint32_t longest_trial = 86400;
    const Word* word = parser.need("seconds");
    if (word == nullptr) return false;
    const auto seconds = parser.number(*word, word->text, "seconds");
    if (!seconds) return false;
    if (*seconds == 0 || *seconds > longest_trial) {
        parser.error(*word, fmt::format("expected 1 to {} seconds", longest_trial));
        return false;
    }
    if (refused_by_safety(parser, "smmuman-safety knows no trial: it never goes back to open"))
        return false;
    return set(parser, parser.configuration().trial, std::optional(std::chrono::seconds(*seconds)));
}

bool parse_takeover(Parser& parser) {
    constexpr std::array choices{Choice<bool>{"foreign", true}};
    return set(parser, parser.configuration().takeover_foreign, choose(parser, choices));
}

bool parse_socket(Parser& parser) {
    constexpr std::size_t longest_path = 107;  // of a Unix socket's address, with its closing zero
    const Word* word = parser.need("a path");
    if (word == nullptr) return false;
    if (word->text.front() != '/' || word->text.size() > longest_path) {
        parser.error(
            *word, fmt::format("expected an absolute path of at most {} characters", longest_path));
        return false;
    }
    return set(parser, parser.configuration().socket, std::optional(word->text));
}

bool parse_foreground(Parser& parser) {
    return set(parser, parser.configuration().foreground, std::optional(true));
}

bool parse_debug(Parser& parser) {
    constexpr std::array choices{Choice<unsigned>{"1", 1}, Choice<unsigned>{"2", 2}};
    return set(parser, parser.configuration().debug, choose(parser, choices));
}

}  // namespace smmu::config
