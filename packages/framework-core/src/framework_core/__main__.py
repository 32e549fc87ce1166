from framework_core.cli.app import main

main()
