// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/table_record.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

namespace smmu::platform::linux {

namespace {

constexpr std::string_view kept_word = "kept", set_aside_word = "set-aside";

std::string first_line(const memory::BootIdentity& boot) { return fmt::format("boot {:02x}", fmt::join(boot, "")); }

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, problem] = std::from_chars(text.data(), end, value, 16);
    if (problem != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::optional<TablePlace> place_in(const std::string& line) {
    std::istringstream words(line);
    std::string kind, first, last, more;
    if (!(words >> kind >> first >> last) || words >> more) return std::nullopt;
    const auto from = number(first), to = number(last);
    if ((kind != kept_word && kind != set_aside_word) || !from || !to || *from > *to) return std::nullopt;
    return TablePlace{{{*from}, {*to}}, kind == set_aside_word};
}

}  // namespace

std::vector<TablePlace> table_places_in(std::string_view text, const memory::BootIdentity& boot) {
    std::istringstream lines{std::string(text)};
    std::string line;
    if (!std::getline(lines, line) || line != first_line(boot)) return {};
    std::vector<TablePlace> places;
    while (std::getline(lines, line)) {
        const auto place = place_in(line);
        if (!place || places.size() == most_table_places) return {};
        places.push_back(*place);
    }
    return places;
}

std::string table_record_of(const std::vector<TablePlace>& places, const memory::BootIdentity& boot) {
    std::string text = first_line(boot) + '\n';
    for (const TablePlace& place : places)
        text += fmt::format("{} {:x} {:x}\n", place.set_aside ? set_aside_word : kept_word, place.range.first.value, place.range.last.value);
    return text;
}

std::vector<TablePlace> recorded_tables(const std::string& path, const memory::BootIdentity& boot) {
    constexpr std::size_t longest = 4096;
    std::ifstream file(path, std::ios::binary);
    std::string text(longest, '\0');
    file.read(text.data(), std::streamsize(text.size()));
    text.resize(std::size_t(file.gcount()));
    return table_places_in(text, boot);
}

// By a new file in the place of the old one: whoever reads finds one or the other.
Result<void> record_tables(const std::string& path, const memory::BootIdentity& boot, TablePlace place) {
    auto places = recorded_tables(path, boot);
    std::erase(places, place);
    places.push_back(place);
    if (places.size() > most_table_places) places.erase(places.begin());
    const std::string fresh = path + ".new";
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << table_record_of(places, boot) << std::flush;
    if (!file || std::rename(fresh.c_str(), path.c_str()) != 0)
        return fail(errno != 0 ? errno : EIO, fmt::format("{}: cannot be written: {}; a crash of the service could not be followed by its "
                                                          "safe state without it", path, std::strerror(errno)));
    return {};
}

}  // namespace smmu::platform::linux
