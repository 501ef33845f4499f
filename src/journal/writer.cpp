// SPDX-License-Identifier: Apache-2.0
#include "journal/writer.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

namespace smmu::journal {

void Writer::take(const report::Event& event, bool after_loss) {
    if (after_loss) write(entry_of_loss(event));
    write(entry_of(event));
}

void Writer::hear(const std::string& text) { std::fprintf(stderr, "smmuman-log: %s\n", text.c_str()); }

void Writer::write(const Entry& entry) {
    std::vector<iovec> fields;
    // The journal only reads them.
    for (const std::string& field : entry) fields.push_back({const_cast<char*>(field.data()), field.size()});
    const int code = send_(fields.data(), int(fields.size()));
    if (code < 0) hear(fmt::format("the journal did not take this ({}): {}", std::strerror(-code), value(entry, "MESSAGE")));
}

}  // namespace smmu::journal
