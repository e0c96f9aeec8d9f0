#include "s3/http.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <mutex>
#include <new>
#include <utility>

#include "ingot/version.h"
#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/server_clock.h"

namespace ingot::s3 {

namespace {

// The headers of answers that anybody looks at.
constexpr std::array<std::string_view, 8> kKeptHeaders = {
    "content-length",    "content-range",      "date", "etag", "location", "retry-after",
    "transfer-encoding", "x-amz-bucket-region"};
constexpr std::size_t kHeaderBytesMax = 1024;  // longer ones are not kept
constexpr std::size_t kReserveMax = 16 << 20;  // more memory only when the bytes are there
constexpr long kSendBytes = 256 << 10;         // per call of the system
constexpr long kReceiveBytes = 128 << 10;
constexpr std::chrono::hours kTransferMax{24};  // what libcurl can count

// A write to a connection that is closed must not end the application by SIGPIPE. libcurl asks for that not to happen
// where it can; with some TLS libraries it can't, and leaves it to the caller.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, sigpipe(), &before_);
  }
  ~WithoutSigpipe() {
    if (!was_pending_) {
      const timespec none{};
      while (::sigtimedwait(sigpipe(), nullptr, &none) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  static const sigset_t* sigpipe() {
    static const sigset_t set = [] {
      sigset_t made;
      ::sigemptyset(&made);
      ::sigaddset(&made, SIGPIPE);
      return made;
    }();
    return &set;
  }
  sigset_t before_{};
  bool was_pending_ = false;
};

// An application's children must not keep connections open.
curl_socket_t open_socket(void* /*context*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Once per process, and never undone: the application may use libcurl too.
bool library_is_ready() {
  static const bool ready = ::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

// Says good-bye to the server, if it is TLS.
void close_connection(CURL* handle) {
  const WithoutSigpipe without;
  ::curl_easy_cleanup(handle);
}

long milliseconds_up(base::Duration duration) {
  const auto limited = std::min<base::Duration>(duration, kTransferMax);
  return std::max<long>(1, static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(limited).count()));
}

class HeaderList {
 public:
  ~HeaderList() { ::curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) {
    curl_slist* longer = ::curl_slist_append(list_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list_ = longer;
  }
  [[nodiscard]] curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// One request on one connection.
class Transfer {
 public:
  // `end`: by then at the latest, and it may be moved up meanwhile.
  Transfer(CURL* handle, const HttpRequest& request, const Transport& transport, const std::atomic<base::Instant>& end)
      : handle_(handle), request_(request), end_(end) {
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, look_at_end);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_TCP_NODELAY, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_TCP_KEEPIDLE, 30L);
    set(CURLOPT_TCP_KEEPINTVL, 10L);
    set(CURLOPT_MAXCONNECTS, 1L);
    set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBytes);
    set(CURLOPT_BUFFERSIZE, kReceiveBytes);
    set(CURLOPT_USERAGENT, "ingot/" INGOT_VERSION_STRING);
    set(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    set(CURLOPT_QUICK_EXIT, 1L);  // does not wait for a name server beyond the deadline
    if (!transport.ca_bundle.empty()) {
      set(CURLOPT_CAINFO, transport.ca_bundle.c_str());
      set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // in the system's stead, not besides
    }
    const std::string& proxy = request.url.starts_with("https:") ? transport.https_proxy : transport.http_proxy;
    set(CURLOPT_PROXY, request.proxy == Proxy::none ? "" : proxy.c_str());
    set(CURLOPT_NOPROXY, transport.no_proxy.c_str());
    set_request();
    set(CURLOPT_PREREQFUNCTION, will_send);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, take_body);
    set(CURLOPT_WRITEDATA, this);
  }

  HttpAnswer run() {
    const base::Instant now = base::now();
    const base::Instant deadline = std::min(request_.deadline, end_.load());
    if (deadline <= now) {
      answer_.error = "the time was up before anything was sent";
      return std::move(answer_);
    }
    set(CURLOPT_TIMEOUT_MS, milliseconds_up(deadline - now));
    set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds_up(std::min(request_.connect_max, deadline - now)));
    CURLcode code = CURLE_OK;
    {
      const WithoutSigpipe without;
      code = ::curl_easy_perform(handle_);
    }
    finish(code);
    ::curl_easy_reset(handle_);  // keeps the connection, and points to nothing of ours any more
    return std::move(answer_);
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    if (::curl_easy_setopt(handle_, option, value) != CURLE_OK) throw std::bad_alloc();  // nothing else fails here
  }

  void set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    const std::string_view method = request_.method;
    if (method == "PUT" || method == "POST") {
      // As a POST's: then the head and a small body leave in one packet.
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    } else {
      set(CURLOPT_HTTPGET, 1L);
    }
    set(CURLOPT_CUSTOMREQUEST, request_.method);
    headers_.add("Expect:");  // none: it would cost a round trip
    headers_.add("Accept:");
    bool has_type = false;
    for (const Header& header : request_.headers) {
      has_type |= header.name == "content-type";
      assert(header.value.find_first_of("\r\n") == std::string::npos);
      headers_.add(header.name + ": " + header.value);
    }
    if (!has_type) headers_.add("Content-Type:");
    set(CURLOPT_HTTPHEADER, headers_.get());
  }

  // Called when there is a connection, before anything is sent over it; again if it is sent again.
  static int will_send(void* context, char*, char*, int, int) {
    static_cast<Transfer*>(context)->answer_.sendings += 1;
    return CURL_PREREQFUNC_OK;
  }

  // Called about once a second while nothing comes. Not zero: it ends.
  static int look_at_end(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return base::now() < static_cast<Transfer*>(context)->end_.load(std::memory_order_relaxed) ? 0 : 1;
  }

  static std::size_t take_header(char* data, std::size_t one, std::size_t count, void* context) {
    try {
      static_cast<Transfer*>(context)->header_line({data, one * count});
      return one * count;
    } catch (...) {
      return 0;  // no memory
    }
  }

  static std::size_t take_body(char* data, std::size_t one, std::size_t count, void* context) {
    try {
      return static_cast<Transfer*>(context)->body_bytes({data, one * count}) ? one * count : 0;
    } catch (...) {
      return 0;
    }
  }

  void header_line(std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // also after a 100
      answer_.headers.clear();
      answer_.body.clear();
      head_is_whole_ = false;
      return;
    }
    if (line.empty()) head_is_whole_ = true;  // what comes later is a trailer
    const std::size_t colon = line.find(':');
    if (head_is_whole_ || colon == std::string_view::npos || line.size() > kHeaderBytesMax) return;
    const std::string name = lower_case(line.substr(0, colon));
    if (std::ranges::find(kKeptHeaders, name) == kKeptHeaders.end() || !answer_.header(name).empty()) return;
    answer_.headers.push_back({name, std::string(trimmed(line.substr(colon + 1)))});
    if (name != "date") return;
    answer_.date = parse_http_date(answer_.header("date"));
    answer_.date_at = ServerClock::local();
  }

  bool body_bytes(std::string_view bytes) {
    const std::size_t room = limit() - answer_.body.size();
    if (bytes.size() > room && is_good()) {
      too_long_ = true;
      return false;
    }
    if (answer_.body.empty()) reserve_body();
    answer_.body.append(bytes.substr(0, room));
    return true;
  }

  void reserve_body() {
    const std::optional<std::uint64_t> bytes = decimal(answer_.header("content-length"));
    if (bytes) answer_.body.reserve(std::min({static_cast<std::size_t>(*bytes), limit(), kReserveMax}));
  }

  [[nodiscard]] int status() const {
    long code = 0;
    (void)::curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }
  [[nodiscard]] bool is_good() const { return status() / 100 == 2; }
  [[nodiscard]] std::size_t limit() const { return is_good() ? request_.answer_bytes_max : kErrorBytesMax; }

  // Whether the answer says how long it is: else nothing tells an end from a cut.
  [[nodiscard]] bool is_framed() const {
    return status() == 204 || !answer_.header("content-length").empty() ||
           lower_case(answer_.header("transfer-encoding")).ends_with("chunked");
  }

  void finish(CURLcode code) {
    const bool is_final = head_is_whole_ && status() >= 200;  // not the end of the connection after a 100
    if (code == CURLE_OK && is_final && (!is_good() || is_framed())) {
      answer_.kind = HttpAnswer::Kind::answered;
      answer_.status = status();
      return;
    }
    answer_.kind = answer_.sendings == 0 ? HttpAnswer::Kind::unsent : HttpAnswer::Kind::unanswered;
    answer_.body.clear();
    if (code == CURLE_OK) {
      answer_.error = is_final ? "the answer does not say how long it is" : "the answer's head was cut short";
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
      answer_.error = "it was ended by a close";
    } else if (too_long_) {
      answer_.error = "the answer is longer than " + std::to_string(request_.answer_bytes_max) + " bytes";
    } else {
      answer_.error = printable(error_[0] != '\0' ? error_.data() : ::curl_easy_strerror(code), 300);
      explain(code);
    }
  }

  // What is wrong with our own side, and stays so.
  void explain(CURLcode code) {
    // libcurl shows it whole, with its password.
    if (answer_.error.starts_with("Unsupported proxy")) {
      answer_.error =
          "the proxy (http_proxy, https_proxy, all_proxy) is none that can be used: it is as http://host:port";
      answer_.is_hopeless = answer_.sendings == 0;
    } else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
      answer_.error += " (AWS_CA_BUNDLE names the file of certificates to trust, if it is not the system's)";
      answer_.is_hopeless = answer_.sendings == 0;
    } else if (code == CURLE_SSL_CONNECT_ERROR && answer_.error.ends_with("wrong version number")) {
      answer_.error += " (the server speaks no TLS: is the endpoint http://, not https://?)";
      answer_.is_hopeless = answer_.sendings == 0;
    }
  }

  CURL* handle_;
  const HttpRequest& request_;
  const std::atomic<base::Instant>& end_;
  HeaderList headers_;
  HttpAnswer answer_;
  bool head_is_whole_ = false;
  bool too_long_ = false;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

HttpClient::HttpClient(Transport transport) : transport_(std::move(transport)), generation_(base::fork_generation()) {
  idle_.reserve(kIdleConnectionsMax);
}

HttpClient::~HttpClient() {
  if (base::fork_generation() != generation_) return;  // closing would say good-bye over the parent's connections
  for (const Idle& idle : idle_) close_connection(idle.connection);
}

HttpAnswer HttpClient::perform(const HttpRequest& request) {
  assert(request.deadline != base::kNever);
  HttpAnswer none;
  if (base::fork_generation() != generation_) {
    none.error = "this process is a fork's child: it must open the store itself";
    return none;
  }
  CURL* connection = library_is_ready() ? take_connection() : nullptr;
  if (connection == nullptr) {
    none.error = "libcurl can't be used: no memory";
    return none;
  }
  try {
    HttpAnswer answer = Transfer(connection, request, transport_, end_).run();
    // What did not end in an answer has no connection to be kept, and libcurl leaves such a handle half prepared.
    if (answer.kind == HttpAnswer::Kind::answered) {
      give_back(connection);
    } else {
      close_connection(connection);
    }
    return answer;
  } catch (...) {
    close_connection(connection);
    throw;
  }
}

void HttpClient::end_by(base::Instant at) {
  base::Instant end = end_.load();
  while (at < end && !end_.compare_exchange_weak(end, at)) {
  }
}

void* HttpClient::take_connection() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty() && base::now() - idle_.back().since < kIdleMax) {
      void* connection = idle_.back().connection;
      idle_.pop_back();
      return connection;
    }
  }
  return ::curl_easy_init();
}

void HttpClient::give_back(void* connection) {
  void* surplus = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (idle_.size() == kIdleConnectionsMax) surplus = take_first();
    idle_.push_back({connection, base::now()});  // there is room
  }
  if (surplus != nullptr) close_connection(surplus);
  while (void* old = take_old()) close_connection(old);
}

void* HttpClient::take_old() {
  const std::lock_guard lock(mutex_);
  const bool is_old = !idle_.empty() && base::now() - idle_.front().since >= kIdleMax;
  return is_old ? take_first() : nullptr;
}

void* HttpClient::take_first() {
  void* connection = idle_.front().connection;
  idle_.erase(idle_.begin());
  return connection;
}

}  // namespace ingot::s3
