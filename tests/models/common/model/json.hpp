// SPDX-License-Identifier: Apache-2.0
// How descriptions in JSON are read: whatever is not understood is an error.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace smmu::model {

// A number, or a text such as "0xfed90000".
inline std::uint64_t number(const nlohmann::json& value) {
    return value.is_string() ? std::stoull(value.get<std::string>(), nullptr, 0)
                             : value.get<std::uint64_t>();
}

// Every member is known: nothing is passed over in silence.
inline void expect_only(const nlohmann::json& object,
                        std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items())
        if (std::ranges::find(known, key) == known.end())
            throw std::invalid_argument("'" + key + "' is not known");
}

// Members of a struct by their names.
template <class Struct>
using Numbers = std::map<std::string, unsigned Struct::*>;
template <class Struct>
using Switches = std::map<std::string, bool Struct::*>;

template <class Struct>
Struct read_members(const nlohmann::json& object, const Numbers<Struct>& numbers,
                    const Switches<Struct>& switches) {
    Struct result;
    for (const auto& [key, value] : object.items()) {
        if (const auto found = numbers.find(key); found != numbers.end())
            result.*found->second = value.template get<unsigned>();
        else if (const auto named = switches.find(key); named != switches.end())
            result.*named->second = value.template get<bool>();
        else
            throw std::invalid_argument("there is no feature '" + key + "'");
    }
    return result;
}

// `read` makes facts of the file's JSON; their name is the file's, without its ending.
template <class Read>
auto load_description(const std::string& path, const Read& read)
    -> Result<decltype(read(nlohmann::json()))> {
    std::ifstream file(path);
    if (!file) return fail(ENOENT, fmt::format("{}: cannot be opened", path));
    try {
        auto facts = read(nlohmann::json::parse(file));
        facts.name = std::filesystem::path(path).stem().string();
        return facts;
    } catch (const std::exception& wrong) {
        return fail(EINVAL, fmt::format("{}: {}", path, wrong.what()));
    }
}

}  // namespace smmu::model
