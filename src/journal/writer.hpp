// SPDX-License-Identifier: Apache-2.0
// Writer: a reader of events that gives each to the journal.
#pragma once

#include <sys/uio.h>

#include "cli/event_stream.hpp"
#include "journal/entry.hpp"

namespace smmu::journal {

// As sd_journal_sendv: one field in each piece; 0, or a negative errno value.
using Send = int (*)(const iovec* fields, int count);

class Writer : public cli::EventReader {
public:
    explicit Writer(Send send) : send_(send) {}

    void take(const report::Event& event, bool after_loss) override;
    // To standard error, where the service manager expects it.
    void hear(const std::string& text) override;

private:
    void write(const Entry& entry);

    Send send_;
};

}  // namespace smmu::journal
