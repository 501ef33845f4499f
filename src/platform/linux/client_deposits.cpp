// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/client_deposits.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include "base/assert.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::string_view beginning = "client ";

std::uint32_t random_number() {
    std::uint32_t number = 0;
    while (getrandom(&number, sizeof number, 0) != sizeof number) {}
    return number;
}

}  // namespace

ClientDeposits::ClientDeposits(const std::string& holder_socket) : holder_(holder_socket), service_(random_number()) {}

// What cannot be let go stays held: memory is lost then, and nothing else.
ClientDeposits::Kept::~Kept() {
    if (!owner_ || owner_->retained_) return;
    [[maybe_unused]] const auto gone = owner_->holder_.let_go(name_);
    owner_->live_.erase(name_);
}

Result<ClientDeposits::Kept> ClientDeposits::keep(std::shared_ptr<ClientDeposits> owner, holder::Deposit deposit) {
    std::string name = fmt::format("{}{:08x} {:x}", beginning, owner->service_, owner->count_++);
    SMMU_CHECK(owner->holder_.keep(name, deposit));
    owner->live_.emplace(name, std::move(deposit));
    return Kept(std::move(owner), std::move(name));
}

Result<void> ClientDeposits::keep_again(const holder::Client& holder) const {
    for (const auto& [name, deposit] : live_)
        if (auto kept = holder.keep(name, deposit); !kept && kept.error().code != EEXIST) return kept;
    return {};
}

void ClientDeposits::release_earlier() noexcept {
    SMMU_ASSERT(count_ == 0);
    [[maybe_unused]] const auto gone = holder_.let_go_all(beginning);
}

}  // namespace smmu::platform::linux
