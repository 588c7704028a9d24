# One binary per tests/test_NAME.c (cmocka, one group each), one ctest entry per tests/cli/*.bats.
# A test's labels come from a line "labels: unit engine" in its head comment; the default is unit.
# A line "stores: both" runs the test a second time as NAME_wiredtiger, with
# RACEBENCH_TEST_STORE=wiredtiger in the environment.
# A line "runs: program" in the head makes the test depend on the racebench binary, whose path it
# finds in the environment variable RACEBENCH_BINARY.
file(GLOB TESTS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/test_*.c)
foreach(file IN LISTS TESTS)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE harness cmocka)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  file(STRINGS ${file} head LIMIT_COUNT 20 REGEX "labels: ")
  set(labels unit)
  if(head MATCHES "labels: ([a-z ]+)")
    string(STRIP "${CMAKE_MATCH_1}" labels)
    string(REPLACE " " ";" labels "${labels}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 600
    ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;RACEBENCH_SOURCE=${CMAKE_SOURCE_DIR};MONGOC_DISABLE_SHM=1")
  if(name STREQUAL "test_durability")
    add_test(NAME test_durability_100_kills COMMAND ${name})
    set_tests_properties(test_durability_100_kills PROPERTIES LABELS "long;engine" TIMEOUT 1800
      ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;RACEBENCH_KILLS=100;MONGOC_DISABLE_SHM=1")
  endif()
  file(STRINGS ${file} both LIMIT_COUNT 20 REGEX "stores: both")
  if(both AND WIREDTIGER_FOUND)
    add_test(NAME ${name}_wiredtiger COMMAND ${name})
    set_tests_properties(${name}_wiredtiger PROPERTIES LABELS "${labels}" TIMEOUT 600
      ENVIRONMENT "RACEBENCH_TEST_STORE=wiredtiger;MONGOC_DISABLE_SHM=1")
  endif()
endforeach()

find_program(BATS bats)
if(BATS)
  file(GLOB CLI CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.bats)
  foreach(file IN LISTS CLI)
    get_filename_component(name ${file} NAME_WE)
    add_test(NAME cli_${name} COMMAND ${BATS} ${file})
    file(STRINGS ${file} head LIMIT_COUNT 20 REGEX "labels: ")
    set(labels cli)
    if(head MATCHES "labels: ([a-z ]+)")
      string(STRIP "${CMAKE_MATCH_1}" labels)
      string(REPLACE " " ";" labels "${labels}")
    endif()
    set_tests_properties(cli_${name} PROPERTIES LABELS "${labels}" TIMEOUT 900
      ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;RACEBENCH_SOURCE=${CMAKE_SOURCE_DIR};MONGOC_DISABLE_SHM=1")
  endforeach()
endif()

# Programs that nobody here wrote, against `racebench serve`; they are fetched when they are run.
foreach(client IN ITEMS driver mongoose9 mongoose6 python)
  add_test(NAME clients_${client} COMMAND ${CMAKE_SOURCE_DIR}/scripts/clients ${client})
  set_tests_properties(clients_${client} PROPERTIES LABELS clients TIMEOUT 600
    ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>")
endforeach()
add_test(NAME clients_libmongoc
  COMMAND ${CMAKE_SOURCE_DIR}/scripts/conformance --out ${CMAKE_BINARY_DIR}/conformance.md)
set_tests_properties(clients_libmongoc PROPERTIES LABELS clients TIMEOUT 1800
  ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>")
