// SPDX-License-Identifier: Apache-2.0
// ClientDeposits: what pins clients' memory, kept by the holder as well as here. A service that dies leaves its deposits
// there; the next one lets them go when no unit leads to them any more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "holder/client.hpp"

namespace smmu::platform::linux {

class ClientDeposits {
public:
    explicit ClientDeposits(const std::string& holder_socket);

    // One deposit: let go by its end, unless deposits are retained by then.
    class Kept {
    public:
        Kept(Kept&&) noexcept = default;
        ~Kept();

    private:
        friend class ClientDeposits;
        Kept(std::shared_ptr<ClientDeposits> owner, std::string name) : owner_(std::move(owner)), name_(std::move(name)) {}

        std::shared_ptr<ClientDeposits> owner_;
        std::string name_;
    };

    // ENOENT: no holder runs; ENOSPC: it has no room.
    static Result<Kept> keep(std::shared_ptr<ClientDeposits> owner, holder::Deposit deposit);
    // Before the first one of this service: those of all others.
    void release_earlier() noexcept;
    void retain() noexcept { retained_ = true; }
    // Gives all there are to a holder that is new: what it has already stays.
    Result<void> keep_again(const holder::Client& holder) const;
    bool any() const { return !live_.empty(); }

private:
    holder::Client holder_;
    std::uint32_t service_;    // tells this one's deposits from others'
    std::uint64_t count_ = 0;  // of deposits, ever
    bool retained_ = false;
    std::map<std::string, holder::Deposit> live_;  // by the name it has there
};

}  // namespace smmu::platform::linux
