// SPDX-License-Identifier: Apache-2.0
// Fuzz: any text as configuration; a file that it names is the text itself, so that splicing is
// reached too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(data[i]);
    const smmu::config::FileReader reader =
        [&text](const std::string&) -> smmu::Result<std::string> { return text; };
    const std::vector<std::string> arguments{text};
    const auto edition =
        size % 2 == 0 ? smmu::config::Edition::plain : smmu::config::Edition::safety;
    for (const auto& error : smmu::config::parse(arguments, reader, edition).errors)
        (void)error.line();
    return 0;
}
