// SPDX-License-Identifier: Apache-2.0
#include "config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/options.hpp"
#include "config/parse.hpp"
#include "topology/number.hpp"

namespace smmu::config {
namespace {

using topology::Radix;
using topology::UnitKind;

constexpr std::size_t longest_name = 64;

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_name_character(char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '@';
}

std::optional<Access> permissions(std::string_view text) {
    Access access = Access::none;
    for (const char c : text) {
        const Access one = c == 'r'   ? Access::read
                           : c == 'w' ? Access::write
                           : c == 'x' ? Access::execute
                                      : Access::none;
        if (one == Access::none || permits(access, one)) return std::nullopt;
        access |= one;
    }
    return access == Access::none ? std::nullopt : std::optional(access);
}

}  // namespace

Parser::Parser(Words words, Edition edition)
    : words_(std::move(words.words)),
      configuration_(defaults(edition)),
      errors_(std::move(words.errors)) {}

void Parser::error(const Word& word, std::string text) {
    if (errors_.size() < most_errors)
        errors_.push_back({word.position, word.text, std::move(text)});
}

const Word* Parser::peek() const {
    if (next_ == words_.size() || find_option(words_[next_].text) != nullptr) return nullptr;
    return &words_[next_];
}

const Word* Parser::take() {
    const Word* word = peek();
    if (word != nullptr) ++next_;
    return word;
}

const Word* Parser::need(std::string_view expected) {
    if (const Word* word = take()) return word;
    const Word missing{option().text, option().position};
    if (next_ < words_.size())
        error(words_[next_],
              fmt::format("is the next option, but {} needs {} first", missing.text, expected));
    else
        error(missing, fmt::format("ends too early: expected {}", expected));
    return nullptr;
}

void Parser::run() {
    while (next_ < words_.size()) {
        option_ = next_++;
        const Option* found = find_option(option().text);
        if (found == nullptr) {
            error(option(),
                  "expected an option: allow, device, smmu, unit, ... (see the manual page)");
        } else if (found->parse(*this)) {
            if (const Word* extra = peek())
                error(*extra,
                      fmt::format("{} takes no more words: expected an option", found->word));
        }
        while (take() != nullptr) {
        }
    }
    check_later();
}

std::optional<std::string> Parser::name(const Word& word, std::string_view what) {
    const bool reserved = std::ranges::find(clause_words(), word.text) != clause_words().end();
    if (reserved || !is_letter(word.text.front()) ||
        !std::ranges::all_of(word.text, is_name_character) || word.text.size() > longest_name) {
        error(word,
              fmt::format("expected {}: a letter, then letters, digits, _ - . or @, at most {}{}",
                          what, longest_name,
                          reserved ? "; this word has a meaning of its own" : ""));
        return std::nullopt;
    }
    return word.text;
}

std::optional<std::uint64_t> Parser::address_in(const Word& word, std::string_view text) {
    const auto value = topology::parse_number(text, Radix::hexadecimal);
    if (value) return *value;
    error(word, fmt::format("expected an address (hexadecimal): '{}' {}", text, value.error()));
    return std::nullopt;
}

std::optional<std::uint64_t> Parser::address(const Word& word) {
    return address_in(word, word.text);
}

std::optional<std::uint64_t> Parser::size(const Word& word) {
    const auto value = topology::parse_number(word.text, Radix::decimal);
    if (value && *value != 0) return *value;
    error(word,
          fmt::format("expected a size (decimal, K M G): it {}", value ? "is 0" : value.error()));
    return std::nullopt;
}

std::optional<std::uint32_t> Parser::number(const Word& word, std::string_view text,
                                            std::string_view what) {
    const auto value = topology::parse_number(text, Radix::decimal);
    if (value && *value <= 0xffffffff) return std::uint32_t(*value);
    error(word, fmt::format("expected {} (decimal): '{}' {}", what, text,
                            value ? "is too large" : value.error()));
    return std::nullopt;
}

std::optional<topology::DeviceId> Parser::device_id(const Word& word) {
    const auto parsed = topology::parse_device_id(word.text);
    if (const auto* id = std::get_if<topology::DeviceId>(&parsed)) return *id;
    error(word, std::get_if<topology::DeviceIdError>(&parsed)->text);
    return std::nullopt;
}

std::optional<Window> Parser::window(const Word& word) {
    const std::string_view text = word.text;
    const auto comma = text.find(',');
    if (comma == text.npos) {
        error(word, "expected start,len[,perm]");
        return std::nullopt;
    }
    const auto second = text.find(',', comma + 1);
    const auto start = address_in(word, text.substr(0, comma));
    if (!start) return std::nullopt;
    const std::string_view length_text =
        text.substr(comma + 1, second == text.npos ? text.npos : second - comma - 1);
    const auto length = topology::parse_number(length_text, Radix::decimal);
    if (!length) {
        error(word, fmt::format("expected a length (decimal, K M G): '{}' {}", length_text,
                                length.error()));
        return std::nullopt;
    }
    const auto range = PhysRange::from_length(PhysAddr{*start}, *length);
    if (!range) {
        error(word, *length == 0 ? "the length is 0"
                                 : "the range reaches past the top of the address space");
        return std::nullopt;
    }
    Window window{*range, read_write, word.position.origin()};
    if (second == text.npos) return window;
    const auto access = permissions(text.substr(second + 1));
    if (!access) {
        error(word, fmt::format("expected permissions, each of r, w, x at most once: '{}'",
                                text.substr(second + 1)));
        return std::nullopt;
    }
    window.access = *access;
    return window;
}

std::optional<Who> Parser::who(const Word& word) {
    const std::string_view text = word.text;
    for (const std::string_view prefix : {"user:", "group:"})
        if (text.starts_with(prefix) && text.size() > prefix.size())
            return Who{prefix == "group:", std::string(text.substr(prefix.size()))};
    error(word, "expected user:NAME or group:NAME");
    return std::nullopt;
}

std::optional<SupportModule> Parser::module_so_far() const {
    if (configuration_.modules.empty()) return std::nullopt;
    return configuration_.modules.back();
}

namespace {

// What is wrong with the stream of a use clause on a unit of this kind; empty when nothing is.
std::string_view stream_fault(const UnitEntry& unit, bool has_stream) {
    switch (unit.kind) {
        case UnitKind::vtd:
            return has_stream
                       ? "a VT-d unit knows streams by their PCI address: no number is allowed here"
                       : "";
        case UnitKind::smmuv2:
            return has_stream || !unit.board_library.empty()
                       ? ""
                       : "expected a stream id (decimal) behind the unit";
        case UnitKind::smmuv3:
            return has_stream ? "" : "expected a stream id (decimal) behind the unit";
        case UnitKind::ipmmu:
            return has_stream ? "" : "expected a micro-TLB number (decimal) behind the unit";
        default:
            return "";
    }
}

}  // namespace

void Parser::check_at_end(const Word& word, LaterCheck check) {
    later_.push_back({word, check});
}

void Parser::check_later() {
    for (const auto& [word, check] : later_) {
        if (check == LaterCheck::allow_name) {
            if (configuration_.find_allow(word.text) == nullptr)
                error(word, "no allow line defines this name");
            continue;
        }
        // The survey knows the names of the board's own units.
        const UnitEntry* unit = configuration_.find_unit(word.text);
        if (unit == nullptr) continue;
        const std::string_view fault = stream_fault(*unit, check == LaterCheck::unit_with_stream);
        if (!fault.empty()) error(word, std::string(fault));
    }
}

ParseResult parse(std::span<const std::string> arguments, const FileReader& read_file,
                  Edition edition) {
    Parser parser(read_words(arguments, read_file), edition);
    parser.run();
    return {std::move(parser.configuration()), std::move(parser.errors())};
}

}  // namespace smmu::config
