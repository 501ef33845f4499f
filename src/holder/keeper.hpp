// SPDX-License-Identifier: Apache-2.0
// Keeper: the deposits of the holder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "holder/message.hpp"

namespace smmu::holder {

class Keeper {
public:
    // Serves the one request of a connection, if whoever is at its other end may ask. A peer that breaks off or does not
    // speak in time has asked nothing.
    void serve(protocol::Connection connection);

    std::size_t size() const { return deposits_.size(); }

private:
    int keep(Message request);
    int let_go(const std::string& name);
    int let_go_all(const std::string& beginning);
    // False: there is no room for one more.
    bool has_room_to_watch();
    void answer(const protocol::Connection& connection, Message request, const protocol::Deadline& deadline);

    std::map<std::string, Deposit, std::less<>> deposits_;
    std::vector<protocol::Connection> watchers_;  // nothing is read from them any more
};

}  // namespace smmu::holder
